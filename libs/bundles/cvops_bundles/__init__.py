"""Model bundles: one zip with a graph from uint8 images to predictions, and how foreign ONNX files become one."""
