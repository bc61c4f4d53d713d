"""The trainer service. Today: the store of model versions and their releases."""
