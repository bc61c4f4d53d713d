"""Sequential tests: they look at every frame and alarm at a rate that was chosen before."""
