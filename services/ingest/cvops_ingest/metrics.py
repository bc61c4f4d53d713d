"""Prometheus metrics of ingest."""

from prometheus_client import Counter, Gauge, Histogram

FRAMES = Counter("cvops_ingest_frames", "Frames answered", ["outcome"])
REJECTED = Counter("cvops_ingest_rejected_frames", "Frames refused", ["reason"])
STORED_BYTES = Counter("cvops_ingest_stored_bytes", "Bytes of stored images")
GAPS = Counter("cvops_ingest_gap_frames", "Sequence numbers that did not come (those that came late not taken off)")
IN_FLIGHT = Gauge("cvops_ingest_in_flight_bytes", "Bytes of images that are not acknowledged yet")
LATENESS = Histogram(
    "cvops_ingest_lateness_seconds",
    "Received minus captured",
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 60, 600, 3600),
)
STAGE = Histogram(
    "cvops_ingest_stage_seconds",
    "Duration of one step of a commit",
    ["stage"],
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10),
)
SEGMENT_FRAMES = Histogram(
    "cvops_ingest_segment_frames", "Frames in one segment", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)
SEGMENT_BYTES = Histogram(
    "cvops_ingest_segment_bytes", "Size of one segment", buckets=[4**n * 1024 for n in range(1, 9)]
)
SEGMENTS_SWEPT = Counter("cvops_ingest_swept_segments", "Expired segments removed")
CAMERAS_ONLINE = Gauge("cvops_ingest_online_cameras", "Cameras whose frames arrive here")
UNBALANCED = Counter("cvops_ingest_unbalanced_minutes", "Minutes whose ledger does not balance; each one is a defect")
