"""What inference counts and measures."""

from prometheus_client import Counter, Gauge, Histogram

PREDICTIONS = Counter("cvops_inference_predictions_total", "Predictions made", ["model", "version", "role", "source"])
NOT_PREDICTED = Counter(
    "cvops_inference_frames_not_predicted_total",
    "Frames of the stream without a prediction: no_model (no release selects the camera), late (over max_age_s)",
    ["reason"],
)
UNPUBLISHED = Counter(
    "cvops_inference_app_predictions_unpublished_total", "Answers to apps that were not published", ["reason"]
)
STAGE_SECONDS = Histogram(
    "cvops_inference_stage_seconds",
    "Where the time of an image goes",
    ["stage"],
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
BATCH_IMAGES = Histogram("cvops_inference_batch_images", "Images in a batch", buckets=(1, 2, 3, 4, 6, 8, 16, 32, 64))
WAITING = Gauge("cvops_inference_images_waiting", "Images that wait for a worker")
MODELS = Gauge("cvops_inference_models_loaded", "Models that can predict now")
LOAD_FAILURES = Counter("cvops_inference_load_failures_total", "Releases that could not be served", ["reason"])
