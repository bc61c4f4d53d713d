"""Who is told what, and when. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from cvops_protos.v1.alerting_pb2 import Incident
from cvops_protos.v1.drift_pb2 import DriftEvent
from cvops_protos.v1.project_pb2 import Project

_SEVERITIES = {
    "": DriftEvent.SEVERITY_UNSPECIFIED,
    "info": DriftEvent.SEVERITY_INFO,
    "warning": DriftEvent.SEVERITY_WARNING,
    "critical": DriftEvent.SEVERITY_CRITICAL,
}
_TELLING = (Incident.STATE_FIRING, Incident.STATE_ACKNOWLEDGED)


@dataclass(frozen=True, slots=True)
class Told:
    """What one route was told of one incident last.

    Attributes:
        state: of the incident.
        severity: likewise.
        cameras: how many.
        at: when that message was or will be sent, aware.
        count: messages so far.
    """

    state: int
    severity: int
    cameras: int
    at: datetime
    count: int


@dataclass(frozen=True, slots=True)
class Planned:
    """A message to send.

    Attributes:
        delivery_id: deterministic: of incident, route and number of the message.
        what: "fire", "update" or "resolve".
        not_before: aware.
        told: what the route has been told with it.
    """

    delivery_id: str
    what: str
    not_before: datetime
    told: Told


def wants(route: Project.Alerts.Route, incident: Incident) -> bool:
    """Whether a route asks for incidents of this kind and severity."""
    return incident.severity >= _SEVERITIES[route.least_severity] and (not route.kinds or incident.kind in route.kinds)


def next_message(
    incident: Incident, route: Project.Alerts.Route, told: Told | None, now: datetime, update_every_s: float
) -> Planned | None:
    """What a route has to be told after a change; None: nothing.

    A new state is told at once; another severity or more cameras at most once in `update_every_s`. A message that is
    still held back for that reason is replaced by the newer one, at the same time. What was never told is not resolved.
    """
    if told is None:
        if incident.state not in _TELLING or not wants(route, incident):
            return None
        return _planned("fire", incident, route, now, 1)
    if told.state == Incident.STATE_RESOLVED:
        return None
    if incident.state != told.state:
        what = "resolve" if incident.state == Incident.STATE_RESOLVED else "update"
        return _planned(what, incident, route, now, told.count + 1)
    if incident.severity != told.severity or len(incident.cameras) > told.cameras:
        waits = told.at if told.at > now else max(now, told.at + timedelta(seconds=update_every_s))
        return _planned("update", incident, route, waits, told.count + 1)
    return None


def _planned(what: str, incident: Incident, route: Project.Alerts.Route, at: datetime, count: int) -> Planned:
    identity = sha256(f"{incident.incident_id}\0{route.name}\0{count}".encode()).hexdigest()[:32]
    told = Told(incident.state, incident.severity, len(incident.cameras), at, count)
    return Planned(identity, what, at, told)
