"""Which releases a stage of a rollout consists of. Pure: from a rollout to the releases that make its stage true."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from cvops_common.selectors import bucket
from cvops_protos.v1.model_pb2 import ModelReleased
from cvops_protos.v1.prediction_pb2 import ModelRef
from cvops_protos.v1.training_pb2 import Rollout

CHAMPION_SLOT = "champion"
_SHORT = 8


@dataclass(frozen=True, slots=True)
class Bundles:
    """Addresses of both bundles, below the root of the object store."""

    candidate: str
    champion: str


def canary_of(cameras: Sequence[str], share: float) -> list[str]:
    """A stable subset of cameras, at least one."""
    ordered = sorted(cameras, key=lambda camera: (bucket(camera), camera))
    return sorted(ordered[: max(1, math.ceil(share * len(ordered) - 1e-9))])


def slot_of(rollout_id: str, everywhere: bool) -> str:
    """The slot that a candidate takes at the end: the champion's when it is for all cameras, else one of its own."""
    return CHAMPION_SLOT if everywhere else f"special-{rollout_id[:_SHORT]}"


def releases_of(rollout: Rollout, bundles: Bundles) -> list[ModelReleased]:
    """The releases that the present stage needs, in the order in which they are made.

    A camera is never without a champion: what takes over comes before what is withdrawn. While a candidate's answers
    count, the champion goes on as a shadow on the same cameras, for the comparison.
    """
    short = rollout.rollout_id[:_SHORT]
    candidate, compare = f"candidate-{short}", f"compare-{short}"
    stage = rollout.state
    if stage == Rollout.STATE_SHADOW:
        return [_of(rollout, bundles, candidate, ModelReleased.STAGE_SHADOW, rollout.candidate)]
    if stage == Rollout.STATE_CANARY:
        return [
            _of(rollout, bundles, compare, ModelReleased.STAGE_SHADOW, rollout.champion),
            _of(rollout, bundles, candidate, ModelReleased.STAGE_CANARY, rollout.candidate),
        ]
    if stage == Rollout.STATE_PROMOTED:
        return [
            _of(rollout, bundles, compare, ModelReleased.STAGE_SHADOW, rollout.champion),
            _of(rollout, bundles, rollout.slot, ModelReleased.STAGE_CHAMPION, rollout.candidate),
            _of(rollout, bundles, candidate, ModelReleased.STAGE_WITHDRAWN, rollout.candidate),
        ]
    if stage == Rollout.STATE_CONFIRMED:
        return [_of(rollout, bundles, compare, ModelReleased.STAGE_WITHDRAWN, rollout.champion)]
    return [
        _of(rollout, bundles, candidate, ModelReleased.STAGE_WITHDRAWN, rollout.candidate),
        *_undone(rollout, bundles),
        _of(rollout, bundles, compare, ModelReleased.STAGE_WITHDRAWN, rollout.champion),
    ]


def release_id(rollout: Rollout, release: ModelReleased) -> str:
    """The id of a release of a rollout: once a stage and slot."""
    return sha256(f"{rollout.rollout_id}\0{rollout.state}\0{release.slot}\0{release.stage}".encode()).hexdigest()[:32]


def _undone(rollout: Rollout, bundles: Bundles) -> list[ModelReleased]:
    """A promotion taken back."""
    if rollout.slot == CHAMPION_SLOT:
        return [_of(rollout, bundles, CHAMPION_SLOT, ModelReleased.STAGE_ROLLED_BACK, rollout.champion)]
    return [_of(rollout, bundles, rollout.slot, ModelReleased.STAGE_WITHDRAWN, rollout.candidate)]


def _of(
    rollout: Rollout, bundles: Bundles, slot: str, stage: ModelReleased.Stage.ValueType, model: ModelRef
) -> ModelReleased:
    everywhere = slot == CHAMPION_SLOT
    counts = stage in (ModelReleased.STAGE_CANARY, ModelReleased.STAGE_CHAMPION) and not everywhere
    return ModelReleased(
        project=rollout.project,
        slot=slot,
        stage=stage,
        model=model,
        bundle_uri=bundles.champion if model.bundle_sha256 == rollout.champion.bundle_sha256 else bundles.candidate,
        percent=100,
        selector="" if everywhere else f"camera_id={'|'.join(rollout.serving)}",
        reason=rollout.text,
        takes_over=(rollout.champion_slot or CHAMPION_SLOT) if counts else "",
        rollout_id=rollout.rollout_id,
    )
