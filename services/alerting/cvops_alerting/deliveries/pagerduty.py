"""Events of PagerDuty, API version 2: the incident id is the `dedup_key`, so a repeat changes nothing.

https://developer.pagerduty.com/docs/events-api-v2/trigger-events/
"""

import json
from datetime import UTC
from typing import Any

from cvops_alerting.deliveries.post import Message, Post, severity_of
from cvops_protos.v1.alerting_pb2 import Incident

ADDRESS = "https://events.pagerduty.com/v2/enqueue"
_MOST_SUMMARY = 1024
_MOST_ALARMS = 20


def pagerduty_post(message: Message, url: str, routing_key: str) -> Post:
    """The message as PagerDuty takes it; the routing key is the secret."""
    body = json.dumps({"routing_key": routing_key, **pagerduty_event(message)}).encode()
    return Post(url or ADDRESS, body, {"Content-Type": "application/json"}, secrets=(routing_key,))


def pagerduty_event(message: Message) -> dict[str, Any]:
    """Without the routing key."""
    incident = message.incident
    event: dict[str, Any] = {"event_action": _action(message), "dedup_key": incident.incident_id}
    if event["event_action"] == "trigger":
        event["payload"] = {
            "summary": incident.title[:_MOST_SUMMARY],
            "source": ", ".join(incident.cameras)[:255] or incident.project or "cvops",
            "severity": severity_of(incident),
            "timestamp": incident.since.ToDatetime(UTC).isoformat(),
            "component": incident.project,
            "group": ", ".join(incident.shared) or incident.fingerprint,
            "class": incident.kind,
            "custom_details": {
                "cameras": list(incident.cameras),
                "alarms": [f"{each.camera_id} {each.signal}: {each.text}" for each in incident.alarms[:_MOST_ALARMS]],
                "shared": list(incident.shared),
                "note": incident.note,
            },
        }
    return event


def _action(message: Message) -> str:
    if message.incident.state == Incident.STATE_RESOLVED:
        return "resolve"
    return "acknowledge" if message.incident.state == Incident.STATE_ACKNOWLEDGED else "trigger"
