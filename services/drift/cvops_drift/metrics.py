"""Metrics of drift."""

from prometheus_client import Counter, Gauge, Histogram

EVENTS = Counter("cvops_drift_events_total", "Drift events published", ["kind", "state"])
RECORDS = Counter("cvops_drift_records_total", "Records looked at", ["topic"])
REPLAYED = Counter("cvops_drift_replayed_total", "Records that the state included already")
FAILED = Counter("cvops_drift_failed_total", "Cameras whose records made the monitor fail; named in their status")
CAMERAS = Gauge("cvops_drift_cameras", "Cameras in memory")
SAVED_S = Histogram("cvops_drift_save_seconds", "Time of one save of all changed cameras, in s")
