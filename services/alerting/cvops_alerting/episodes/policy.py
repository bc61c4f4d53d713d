"""Which incidents may begin an episode, and with which cameras. Pure rules."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cvops_protos.v1.alerting_pb2 import Incident
from cvops_protos.v1.drift_pb2 import DriftEvent
from cvops_protos.v1.project_pb2 import Project

_SEVERITIES: Mapping[str, int] = {
    "info": DriftEvent.SEVERITY_INFO,
    "warning": DriftEvent.SEVERITY_WARNING,
    "critical": DriftEvent.SEVERITY_CRITICAL,
}
_TOLD = (Incident.STATE_FIRING, Incident.STATE_ACKNOWLEDGED)
_OPEN = (Incident.STATE_PENDING, *_TOLD)


@dataclass(frozen=True, slots=True)
class Wellness:
    """Cameras, by whether a model can learn from what they see.

    Attributes:
        well: in order of their ids.
        left_out: by camera id, the open faults of the picture, e.g. ("camera.moved",).
    """

    well: tuple[str, ...]
    left_out: Mapping[str, tuple[str, ...]]

    @property
    def told(self) -> list[str]:
        """Those that are left out, for people."""
        return [f"{camera}: {', '.join(faults)}" for camera, faults in self.left_out.items()]


def wants_episode(incident: Incident, policy: Project.LoopPolicy) -> bool:
    """Whether an incident is of the kind and gravity that the platform may cure by itself.

    Args:
        incident: as it stands.
        policy: with defaults filled in.
    """
    return (
        policy.enabled
        and incident.kind == "drift"
        and incident.state in _TOLD
        and incident.severity >= _SEVERITIES[policy.least_severity]
    )


def wellness(cameras: Iterable[str], around: Iterable[Incident], excluded_faults: Iterable[str]) -> Wellness:
    """Which cameras are well.

    Args:
        cameras: e.g. of a drift incident.
        around: the open incidents of the same project.
        excluded_faults: e.g. "moved": cameras with such a fault teach a model nothing.
    """
    excluded = {f"camera.{fault}" for fault in excluded_faults}
    faults: dict[str, set[str]] = {}
    for other in around:
        if other.state not in _OPEN:
            continue
        for alarm in other.alarms:
            if alarm.signal in excluded and alarm.state != DriftEvent.STATE_CLOSED:
                faults.setdefault(alarm.camera_id, set()).add(alarm.signal)
    chosen = sorted(set(cameras))
    return Wellness(
        tuple(camera for camera in chosen if camera not in faults),
        {camera: tuple(sorted(faults[camera])) for camera in chosen if camera in faults},
    )
