"""The labeling service: projects, the catalog of frames, tasks, labels and datasets."""
