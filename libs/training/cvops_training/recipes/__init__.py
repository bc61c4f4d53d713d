"""Recipes that come with the platform."""
