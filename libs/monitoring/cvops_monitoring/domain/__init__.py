"""Whether a camera belongs: against the data that a model was trained on, and against the other cameras."""
