"""Training: recipes, the loop, evaluation and export; usable without the service."""
