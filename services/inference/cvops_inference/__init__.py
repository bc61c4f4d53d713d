"""The inference service: models on the stream of frames and for the calls of apps."""
