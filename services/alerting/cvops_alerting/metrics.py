"""Metrics of alerting."""

from prometheus_client import Counter, Gauge, Histogram

ALARMS = Counter("cvops_alerting_alarms_total", "Alarms taken in, by their state", ["state"])
INCIDENTS = Counter("cvops_alerting_incidents_total", "Incidents that entered a state", ["kind", "state"])
ATTEMPTS = Counter("cvops_alerting_attempts_total", "Attempts to deliver a message", ["kind", "outcome"])
DELIVERIES = Counter("cvops_alerting_deliveries_total", "Messages that were sent or given up", ["kind", "state"])
WAITING = Gauge("cvops_alerting_deliveries_waiting", "Messages that wait to be sent")
SEND_S = Histogram("cvops_alerting_send_seconds", "Time of one attempt, in s", ["kind"])
