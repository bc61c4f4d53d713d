"""The contracts of cvops."""
