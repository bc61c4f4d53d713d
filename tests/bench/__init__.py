"""Benchmarks: each prints a table beside the limit that it is measured against. Nothing here is asserted."""
