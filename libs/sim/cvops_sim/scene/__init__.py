"""The world that stands still: the road, what stands beside it, and how it is painted."""
