"""A message ready to be sent, and the words that all kinds of messages share."""

from dataclasses import dataclass, field

from cvops_protos.v1.alerting_pb2 import Incident
from cvops_protos.v1.drift_pb2 import DriftEvent


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be told.

    Attributes:
        delivery_id: the same for every attempt, so that receivers can tell repeats.
        what: "fire", "update", "resolve" or "test".
        incident: as it stood when the message was planned.
        maybe_told: an earlier attempt may have arrived.
    """

    delivery_id: str
    what: str
    incident: Incident
    maybe_told: bool = False


@dataclass(frozen=True, slots=True)
class Post:
    """One HTTP POST; it holds secrets, so its repr does not show them."""

    url: str = field(repr=False)
    body: bytes = field(repr=False)
    headers: dict[str, str] = field(repr=False, default_factory=dict)
    secrets: tuple[str, ...] = field(repr=False, default=())


def severity_of(incident: Incident) -> str:
    """One of "info", "warning" and "critical"."""
    name = DriftEvent.Severity.Name(incident.severity).removeprefix("SEVERITY_").lower()
    return "info" if name == "unspecified" else name


def state_of(incident: Incident) -> str:
    """One of "pending", "firing", "acknowledged" and "resolved"."""
    return Incident.State.Name(incident.state).removeprefix("STATE_").lower()
