"""YOLOX-nano, begun from an imported ONNX file or from a bundle of its own."""

from cvops_training.recipes.yolox.recipe import Yolox

RECIPE = Yolox()
