"""A simulated camera: the frame of any sequence number, and its truth, without the frames before it."""

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Self

from cvops_sim.arrays import Image
from cvops_sim.effects.kind import ActsOn
from cvops_sim.fleet import Mounted
from cvops_sim.renderer import Rendered, Renderer
from cvops_sim.sensor import add_noise, stamp
from cvops_sim.timeline import Occurrence, active, as_truth
from cvops_sim.timing import Moment, moment
from cvops_sim.truth import FrameTruth, Ignored, Matrix, ObjectTruth
from cvops_sim.world import World

_NS = 1_000_000_000
COVERED = 0.6
"""From this magnitude on a cover hides everything."""


@dataclass(frozen=True)
class Clock:
    """How a scenario's time runs.

    Attributes:
        fps: frames a second.
        start_ns: capture time of its begin, nanoseconds since the epoch.
        hour: local time of day at its begin, 0 to 24.
        time_lapse: seconds of daylight for each second of the scenario.
    """

    fps: float
    start_ns: int
    hour: float = 12.0
    time_lapse: float = 1.0

    def hour_at(self, at_s: float) -> float:
        """Local time of day, 0 to 24."""
        return (self.hour + at_s * self.time_lapse / 3600) % 24

    def stamp_at(self, at_s: float) -> datetime:
        """What the camera writes into the picture: the day of its begin at the scenario's hour."""
        day = datetime.fromtimestamp(self.start_ns / _NS, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return day + timedelta(hours=self.hour, seconds=at_s * self.time_lapse)


@dataclass(frozen=True, eq=False)
class SimFrame:
    """One frame.

    Attributes:
        picture: uint8 (H, W, 3) BGR, as the camera hands it out.
        truth: what is really in it.
        moment: when it is captured, stamped and there.
    """

    picture: Image
    truth: FrameTruth
    moment: Moment


class SimCamera:
    """Frames of one camera under the effects that happen to it."""

    def __init__(self, mounted: Mounted, occurrences: Sequence[Occurrence], clock: Clock) -> None:
        self.mounted = mounted
        self._occurrences = tuple(occurrences)
        self._clock = clock
        self._renderer = Renderer(mounted.scene, mounted.camera)

    def under(self, occurrences: Sequence[Occurrence]) -> Self:
        """The same camera under other effects; both share what has been painted of its place."""
        other = copy(self)
        other._occurrences = tuple(occurrences)
        return other

    def frame(self, sequence: int) -> SimFrame | None:
        """Frame number `sequence`; None when it is lost before the agent."""
        at_s = sequence / self._clock.fps
        times = moment(active(self._occurrences, at_s), at_s, self.mounted.camera.seed, sequence)
        if times.dropped:
            return None
        levels = active(self._occurrences, times.seen_s)
        rendered = self._renderer.render(times.seen_s, self._world(levels, times.seen_s))
        picture = self._picture(rendered, levels, times)
        effects = as_truth(active(self._occurrences, at_s))
        truth = FrameTruth(
            camera_id=self.mounted.camera_id,
            captured_at_ns=self._clock.start_ns + int(times.stamped_s * _NS),
            sequence=sequence,
            width=picture.shape[1],
            height=picture.shape[0],
            objects=self._objects(rendered, levels, picture),
            homography=_scaled(rendered.homography, rendered.picture, picture),
            effects=effects,
        )
        return SimFrame(picture, truth, times)

    def _world(self, levels: Sequence[tuple[Occurrence, float]], at_s: float) -> World:
        world = World(hour=self._clock.hour_at(at_s))
        for each, level in levels:
            if each.kind.world is not None:
                world = each.kind.world(world, level)
        return world

    def _picture(self, rendered: Rendered, levels: Sequence[tuple[Occurrence, float]], times: Moment) -> Image:
        camera = self.mounted.camera
        picture = _changed(rendered.picture, levels, ActsOn.LENS, camera.seed)
        picture = add_noise(picture, camera, rendered.light, times.seen_s)
        picture = stamp(picture, self._clock.stamp_at(times.shown_s), self.mounted.camera_id)
        return _changed(picture, levels, ActsOn.IMAGE, camera.seed)

    def _objects(
        self, rendered: Rendered, levels: Sequence[tuple[Occurrence, float]], picture: Image
    ) -> tuple[ObjectTruth, ...]:
        objects = rendered.objects
        for each, level in levels:
            if each.kind.truth is not None:
                objects = tuple(each.kind.truth(thing, level) for thing in objects)
        if any(each.kind.name == "covered" and level > COVERED for each, level in levels):
            objects = tuple(replace(thing, visibility=0.0, ignored=Ignored.HIDDEN.value) for thing in objects)
        across, down = _scales(rendered.picture, picture)
        return tuple(_resized(thing, across, down) for thing in objects)


def _changed(picture: Image, levels: Sequence[tuple[Occurrence, float]], acts_on: ActsOn, seed: int) -> Image:
    for each, level in levels:
        if each.kind.acts_on is acts_on and each.kind.picture is not None:
            picture = each.kind.picture(picture, level, seed)
    return picture


def _scales(rendered: Image, picture: Image) -> tuple[float, float]:
    """How much wider and higher the picture is than it was drawn."""
    return picture.shape[1] / rendered.shape[1], picture.shape[0] / rendered.shape[0]


def _resized(thing: ObjectTruth, across: float, down: float) -> ObjectTruth:
    if (across, down) == (1.0, 1.0):
        return thing
    left, top, right, bottom = thing.xyxy
    edges = math.floor(left * across), math.floor(top * down), math.ceil(right * across), math.ceil(bottom * down)
    return replace(thing, xyxy=edges)


def _scaled(matrix: Matrix, rendered: Image, picture: Image) -> Matrix:
    """A homography into the pixels of the resized picture."""
    across, down = _scales(rendered, picture)
    first, second, third = matrix
    return (
        (first[0] * across, first[1] * across, first[2] * across),
        (second[0] * down, second[1] * down, second[2] * down),
        third,
    )
