"""Everything that can happen to a camera, a place or a stream, each as one function of its magnitude."""
