"""The edge agent: cameras, videos and images to ingest, with store and forward. Needs `pip install "cvops[edge]"`."""
