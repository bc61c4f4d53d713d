"""The one line that people read: what is known, where, since when, and what it costs. Pure."""

from collections.abc import Iterable, Sequence

from google.protobuf.timestamp_pb2 import Timestamp

from cvops_alerting.incidents.alarms import family_of
from cvops_alerting.incidents.sharing import Shared
from cvops_protos.v1.drift_pb2 import DriftEvent

_FAULTS = {
    "camera.moved": "moved view",
    "camera.defocus": "blurred picture",
    "camera.covered": "covered view",
    "camera.dirt": "dirt on the glass",
    "camera.dark": "dark picture",
    "camera.overexposed": "overexposed picture",
    "camera.frozen": "frozen picture",
    "camera.colour_cast": "colour cast",
    "camera.infrared": "infrared picture",
    "camera.channels_swapped": "red and blue exchanged",
    "camera.late": "late frames",
    "camera.slow": "fewer frames than usual",
    "camera.gaps": "lost frames",
    "camera.clock_offset": "wrong clock",
    "camera.size_changed": "another picture size",
    "camera.codec_changed": "another encoding",
    "camera.offline": "no frames",
    "inference_time": "slow inference",
}
# What is said first when several kinds alarm together.
_DRIFTS = (
    (DriftEvent.KIND_CONCEPT, "Reviews disagree with the model"),
    (DriftEvent.KIND_DATA, "Pictures changed"),
    (DriftEvent.KIND_PREDICTION, "Predictions changed"),
    (DriftEvent.KIND_DOMAIN, "Unlike what the model knows"),
)
_MOST_NAMES = 5


def title_of(
    kind: str, project: str, cameras: Sequence[str], alarms: Sequence[DriftEvent], shared: Shared | None, measure: str
) -> str:
    """The title of an incident.

    Args:
        kind: "drift", "camera", "release" or "training".
        project: its name.
        cameras: ids, sorted.
        alarms: at least one, oldest first.
        shared: what the cameras share and others have not; None: nothing.
        measure: what the estimated harm is of: "precision" or "accuracy".

    Example:
        "Pictures changed on 2 cameras of site north (cam-1, cam-2) since 14:03 UTC; estimated precision .71 -> .48"
    """
    if kind == "release":
        return f"A release of project {project} was taken back: {alarms[-1].text}"
    if kind == "training":
        return f"Training of project {project} failed: {alarms[-1].text}"
    parts = [f"{_what(kind, alarms)} on {_where(cameras, shared)} since {onset(alarms).ToDatetime():%H:%M} UTC"]
    if shared is not None and kind == "camera":
        parts.append(shared.sentence)
    if (cost := _cost(alarms, measure)) is not None:
        parts.append(cost)
    return "; ".join(parts)


def onset(alarms: Iterable[DriftEvent]) -> Timestamp:
    """When a change began: of the camera where it began first, the median of what its alarms estimate.

    Each alarm estimates the moment by itself; the earliest of many estimates would be early the more there are.
    """
    by_camera: dict[str, list[DriftEvent]] = {}
    for alarm in alarms:
        by_camera.setdefault(alarm.camera_id, []).append(alarm)
    medians = [
        sorted((each.since for each in of_camera), key=Timestamp.ToNanoseconds)[(len(of_camera) - 1) // 2]
        for of_camera in by_camera.values()
    ]
    return min(medians, key=Timestamp.ToNanoseconds)


def _what(kind: str, alarms: Sequence[DriftEvent]) -> str:
    if kind == "camera":
        faults = dict.fromkeys(
            _FAULTS.get(alarm.signal, f"another {alarm.signal.removeprefix('camera.')}")
            for alarm in alarms
            if family_of(alarm) == "camera"
        )
        if faults:
            said = ", ".join(faults)
            return said[0].upper() + said[1:]
    kinds = {alarm.kind for alarm in alarms}
    return next((said for known, said in _DRIFTS if known in kinds), "Something changed")


def _where(cameras: Sequence[str], shared: Shared | None) -> str:
    if not cameras:
        return "no camera in particular"
    if len(cameras) == 1:
        return f"camera {cameras[0]}"
    more = len(cameras) - _MOST_NAMES
    names = ", ".join(cameras[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
    group = f" of {shared.name} {shared.value}" if shared is not None else ""
    return f"{len(cameras)} cameras{group} ({names})"


def _cost(alarms: Sequence[DriftEvent], measure: str) -> str | None:
    """The greatest loss that any alarm estimates."""
    harmed = [alarm.harm for alarm in alarms if alarm.HasField("harm") and alarm.harm.loss > 0]
    if not harmed:
        return None
    worst = max(harmed, key=lambda harm: harm.loss)
    return f"estimated {measure} {_share(worst.before)} -> {_share(worst.now)}"


def _share(value: float) -> str:
    return f"{value:.2f}".removeprefix("0")
