"""The `cvops` command."""
