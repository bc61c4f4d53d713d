"""What an effect is."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from cvops_sim.arrays import Image
from cvops_sim.truth import ObjectTruth
from cvops_sim.world import World

WorldChange: TypeAlias = Callable[[World, float], World]
"""(world, magnitude) -> world."""
PictureChange: TypeAlias = Callable[[Image, float, int], Image]
"""(uint8 (H, W, 3) BGR, magnitude, seed of the camera) -> picture, of another size if the effect resizes."""
TruthChange: TypeAlias = Callable[[ObjectTruth, float], ObjectTruth]
"""(object, magnitude) -> object."""


class ActsOn(StrEnum):
    """The step of a frame's way at which an effect acts; in this order."""

    CLOCK = "clock"
    """When a frame is captured, stamped and there."""
    WORLD = "world"
    """What is drawn."""
    LENS = "lens"
    """The light on its way to the sensor: before the noise."""
    IMAGE = "image"
    """The picture that the firmware makes of it: after the noise."""
    TRUTH = "truth"
    """What labels would say; the picture stays."""


@dataclass(frozen=True)
class Kind:
    """A kind of effect.

    Attributes:
        name: as in scenarios.
        acts_on: where.
        doc: one line for people.
        magnitude: what magnitude 1 means, and the unit.
        lowest: least magnitude that makes sense.
        highest: largest.
        world: for ActsOn.WORLD.
        picture: for ActsOn.LENS and IMAGE.
        truth: for ActsOn.TRUTH.
    """

    name: str
    acts_on: ActsOn
    doc: str
    magnitude: str
    lowest: float = 0.0
    highest: float = 1.0
    world: WorldChange | None = None
    picture: PictureChange | None = None
    truth: TruthChange | None = None
