"""Watches every camera and model, and tells when the world, the camera or the model has changed."""
