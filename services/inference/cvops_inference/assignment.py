"""Which releases serve which camera. Pure rules."""

from collections.abc import Iterable
from dataclasses import dataclass

from cvops_common.selectors import Selector, bucket
from cvops_inference.model import Model
from cvops_protos.v1.camera_pb2 import Camera
from cvops_protos.v1.model_pb2 import ModelReleased
from cvops_protos.v1.prediction_pb2 import (
    MODEL_ROLE_CHALLENGER,
    MODEL_ROLE_CHAMPION,
    MODEL_ROLE_SHADOW,
    ModelRole,
)

CHAMPION_SLOT = "champion"

_ROLES = {
    ModelReleased.STAGE_CHAMPION: MODEL_ROLE_CHAMPION,
    ModelReleased.STAGE_ROLLED_BACK: MODEL_ROLE_CHAMPION,
    ModelReleased.STAGE_CANARY: MODEL_ROLE_CHALLENGER,
    ModelReleased.STAGE_SHADOW: MODEL_ROLE_SHADOW,
}


@dataclass(frozen=True, slots=True)
class Serving:
    """A release whose model is loaded."""

    release: ModelReleased
    model: Model
    selector: Selector

    @property
    def role(self) -> ModelRole.ValueType:
        """The role in which its model predicts."""
        return _ROLES[self.release.stage]

    @property
    def role_name(self) -> str:
        """The role for people and metrics, e.g. "champion"."""
        return ModelRole.Name(self.role).removeprefix("MODEL_ROLE_").lower()

    @property
    def takes_over(self) -> str:
        """The slot that does not serve where this release does; empty: none."""
        if self.role == MODEL_ROLE_SHADOW:
            return ""
        named = self.release.takes_over
        return named or (CHAMPION_SLOT if self.role == MODEL_ROLE_CHALLENGER else "")

    def selects(self, camera: Camera) -> bool:
        """Whether this release is for the camera."""
        return selects(self.release, self.selector, camera)


def selects(release: ModelReleased, selector: Selector, camera: Camera) -> bool:
    """Whether a release is for a camera: its project, its selector (parsed), its share of the fleet."""
    return camera.project == release.project and bucket(camera.camera_id) < release.percent and selector.matches(camera)


def assigned(serving: Iterable[Serving], camera: Camera) -> tuple[Serving, ...]:
    """The releases that predict for a camera.

    All that select it do, side by side, except those whose slot another one takes over there. A canary takes over the
    slot "champion" when it names none; a shadow takes nothing over.
    """
    chosen = [release for release in serving if release.selects(camera)]
    taken = {release.takes_over for release in chosen}
    return tuple(release for release in chosen if release.release.slot not in taken)
