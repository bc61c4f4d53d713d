"""Which models served a camera at a time: the log of releases played again. Pure."""

from collections.abc import Iterable

from cvops_common.selectors import Selector, bucket
from cvops_protos.v1.camera_pb2 import Camera
from cvops_protos.v1.model_pb2 import ModelReleased


def served_by(log: Iterable[ModelReleased], camera: Camera) -> list[ModelReleased]:
    """The releases that predicted for a camera after the last of `log`; those that count first, shadows last.

    Args:
        log: of the camera's project, oldest first, up to the time in question.
        camera: as it is known now: its metadata then may have been others.
    """
    slots: dict[str, ModelReleased] = {}
    for release in log:
        if release.stage == ModelReleased.STAGE_WITHDRAWN:
            slots.pop(release.slot, None)
        else:
            slots[release.slot] = release
    chosen = [
        release
        for release in slots.values()
        if bucket(camera.camera_id) < release.percent and Selector.parse(release.selector).matches(camera)
    ]
    taken = {_takes_over(release) for release in chosen}
    serving = [release for release in chosen if release.slot not in taken]
    return sorted(serving, key=lambda release: (release.stage == ModelReleased.STAGE_SHADOW, release.slot))


def _takes_over(release: ModelReleased) -> str:
    if release.stage == ModelReleased.STAGE_SHADOW:
        return ""
    return release.takes_over or ("champion" if release.stage == ModelReleased.STAGE_CANARY else "")
