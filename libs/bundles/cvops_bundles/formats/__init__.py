"""The model formats that can be imported: what each one's outputs mean, and the nodes that decode them."""
