"""Runs: a training is a process of its own; the service starts it, watches it and tells what it does."""
