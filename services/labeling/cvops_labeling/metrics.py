"""Metrics of labeling."""

from prometheus_client import Counter, Gauge, Histogram

FRAMES = Counter("cvops_labeling_frames_total", "Frames that came new into the catalog")
CATALOG_S = Histogram("cvops_labeling_catalog_seconds", "Time of one batch of predictions, in s")
ASSETS = Counter("cvops_labeling_assets_total", "Images that became permanent")
EXPIRED = Counter("cvops_labeling_expired_total", "Images that were wanted after their segment had expired")
PICKS = Counter("cvops_labeling_picks_total", "Frames that were chosen", ["purpose", "why"])
LABELS = Counter("cvops_labeling_labels_total", "Labels that were written", ["purpose", "status"])
CONFLICTS = Counter("cvops_labeling_conflicts_total", "Labels refused because somebody else had written")
DATASETS = Counter("cvops_labeling_datasets_total", "Dataset versions that were released")
OPEN_TASKS = Gauge("cvops_labeling_pending_tasks", "Tasks that wait for a label, as of the last look")
