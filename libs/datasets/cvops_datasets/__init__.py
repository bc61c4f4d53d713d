"""Datasets: immutable versions of labelled images, and the formats of others."""
