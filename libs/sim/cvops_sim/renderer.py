"""A frame of a camera: the still backdrop, and before it everything that moves, farthest first.

A frame is a function of scene, camera, time and world and of nothing else, so any process makes the same pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from cvops_sim.arrays import Image, Plane
from cvops_sim.backdrop import Backdrop, Backdrops
from cvops_sim.camera import Camera, View
from cvops_sim.lamps import Lamp, lamps_of, light_the_road, shine
from cvops_sim.light import Light
from cvops_sim.objects.figure import Figure, drawn, figure_of, pixels_outside
from cvops_sim.objects.order import farthest_first, hidden_by_standing
from cvops_sim.raster import Box, bounds, lay_over
from cvops_sim.scene.layout import Scene
from cvops_sim.shading import Shading
from cvops_sim.shadows import cast_shadows
from cvops_sim.snowfall import Snowfall
from cvops_sim.traffic import actors_at
from cvops_sim.truth import Matrix, ObjectTruth, why_ignored
from cvops_sim.world import World


@dataclass(frozen=True, eq=False)
class Rendered:
    """A frame as it falls on the sensor, and what is really in it.

    Attributes:
        picture: uint8 (H, W, 3) BGR, without noise and time stamp.
        objects: what moves, farthest first.
        instances: uint16 (H, W), which object is seen: 1 for `objects[0]`, 0 for none.
        view: the picture plane.
        light: the light of the moment.
        homography: takes pixels of the camera's nominal pose to pixels of this frame.
    """

    picture: Image
    objects: tuple[ObjectTruth, ...]
    instances: Plane
    view: View
    light: Light
    homography: Matrix


@dataclass(frozen=True, eq=False)
class _Placed:
    """A figure that has been drawn.

    Attributes:
        figure: who.
        box: where its sprite lies.
        edges: the bounds of its silhouette.
        seen: bool (h, w) of `box`, its pixels that nothing still hides.
        total: pixels of the whole silhouette.
    """

    figure: Figure
    box: Box
    edges: Box
    seen: Plane
    total: int


class Renderer:
    """Frames of one camera at one place."""

    def __init__(self, scene: Scene, camera: Camera) -> None:
        self.scene = scene
        self.camera = camera
        self._nominal = camera.view()
        self._backdrops = Backdrops(scene, camera)
        self._snowfall = Snowfall(camera)

    def render(self, at_s: float, world: World) -> Rendered:
        """The frame at `at_s`, in seconds since the world's epoch."""
        backdrop = self._backdrops.at(world)
        shading = Shading(self.scene, backdrop.light, world.extinction_per_m, world.snow)
        figures = self._figures(at_s, world, backdrop, shading)
        picture = backdrop.picture.copy()
        cast_shadows(picture, figures, backdrop, shading)
        light_the_road(picture, figures, backdrop, shading)
        instances = np.zeros(picture.shape[:2], np.uint16)
        placed: list[_Placed] = []
        lamps: list[Lamp] = []
        for figure in figures:
            thing = _place(picture, figure, backdrop, shading)
            if thing is not None:
                placed.append(thing)
                instances[thing.box.slices][thing.seen] = len(placed)
                lamps += lamps_of(figure, len(placed), backdrop, shading)
        shine(picture, instances, lamps, backdrop, shading)
        if world.snow > 0:
            picture = self._snowfall.fall(picture, at_s, world.snow, backdrop.light)
        return Rendered(
            picture,
            _truths(placed, instances, shading),
            instances,
            backdrop.view,
            backdrop.light,
            _as_matrix(backdrop.view, self._nominal),
        )

    def _figures(self, at_s: float, world: World, backdrop: Backdrop, shading: Shading) -> list[Figure]:
        sun = backdrop.light.sun if backdrop.light.casts_shadows else None
        sky = shading.mirrored_sky()
        found = (figure_of(actor, backdrop.view, sun, sky) for actor in actors_at(self.scene, world, at_s))
        return farthest_first([figure for figure in found if figure is not None])


def _place(picture: Image, figure: Figure, backdrop: Backdrop, shading: Shading) -> _Placed | None:
    """Draw a figure into `picture`; None when it covers no pixel of the frame."""
    height, width = picture.shape[:2]
    place = figure.actor.placement
    colours = shading.seen(figure.shape.colours, place.x, place.z, _shade(figure, backdrop))
    sprite = drawn(figure.shape, colours, width, height)
    edges = None if sprite is None else bounds(sprite.silhouette)
    if sprite is None or edges is None:
        return None
    box, silhouette = sprite.box, sprite.silhouette
    hidden = hidden_by_standing(figure, backdrop.standing_m, backdrop.view, box)
    colour, coverage, seen = sprite.colour, sprite.coverage, silhouette
    if hidden is not None and hidden.any():
        free = np.where(hidden, np.uint8(0), np.uint8(255))
        colour, coverage = cv2.bitwise_and(colour, colour, mask=free), cv2.bitwise_and(coverage, free)
        seen = silhouette & ~hidden
    picture[box.slices] = lay_over(picture[box.slices], colour, coverage)
    total = int(np.count_nonzero(silhouette)) + pixels_outside(figure.shape, width, height)
    in_frame = Box(box.left + edges.left, box.top + edges.top, box.left + edges.right, box.top + edges.bottom)
    return _Placed(figure, box, in_frame, seen, total)


def _shade(figure: Figure, backdrop: Backdrop) -> float:
    """How much of the ground beneath a figure lies in the shadow of something that stands, 0 to 1."""
    if not backdrop.light.casts_shadows:
        return 0.0
    place = figure.actor.placement
    along = np.array([-0.9, 0.0, 0.9])[:, None] * figure.reach_m * place.forward
    pixels, _ = backdrop.view.project(along + np.array([place.x, 0.0, place.z]))
    height, width = backdrop.sunlit.shape
    samples = [
        255 - int(backdrop.sunlit[y, x])
        for x, y in np.floor(pixels).astype(int)
        if 0 <= x < width and 0 <= y < height and backdrop.open_ground[y, x]
    ]
    return sum(samples) / len(samples) / 255 if samples else 0.0


def _truths(placed: Sequence[_Placed], instances: Plane, shading: Shading) -> tuple[ObjectTruth, ...]:
    height = instances.shape[0]
    truths = []
    for index, thing in enumerate(placed, start=1):
        here = instances[thing.box.slices]
        visibility = float(np.count_nonzero(here == index)) / thing.total
        edges, range_m = thing.edges, thing.figure.range_m
        clear = shading.transmission(range_m)
        truths.append(
            ObjectTruth(
                track_id=f"{thing.figure.actor.track_id:08x}",
                class_name=thing.figure.actor.kind.value,
                xyxy=(edges.left, edges.top, edges.right, edges.bottom),
                visibility=round(visibility, 4),
                distance_m=round(range_m, 2),
                ignored=why_ignored(edges.bottom - edges.top, height, visibility, clear).value,
            )
        )
    return tuple(truths)


def _as_matrix(view: View, nominal: View) -> Matrix:
    rows = [(float(a), float(b), float(c)) for a, b, c in view.homography_from(nominal)]
    return rows[0], rows[1], rows[2]
