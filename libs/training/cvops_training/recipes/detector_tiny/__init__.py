"""A small centre-point detector that learns on one CPU core in minutes."""

from cvops_training.recipes.detector_tiny.recipe import DetectorTiny

RECIPE = DetectorTiny()
