"""Episodes: the way from a drift to its cure, as it follows from events."""
