"""An actor as a view sees it: its outline in pixels, its colours in the light of the moment, and its silhouette."""

from dataclasses import dataclass

import cv2
import numpy as np

from cvops_sim.arrays import Colour, Plane
from cvops_sim.camera import View
from cvops_sim.objects.kinds import VEHICLES
from cvops_sim.objects.mesh import project_mesh
from cvops_sim.objects.people import outfit, project_person
from cvops_sim.objects.shape import Outfit, Shape
from cvops_sim.objects.vehicles import vehicle
from cvops_sim.raster import Box, Canvas, Sprite
from cvops_sim.traffic import Actor

OUTSIDE_SIDE_PX = 400
"""Side of the coarse picture in which an outline beyond the frame is measured."""
OUTSIDE_FRAMES = 3
"""An outline is measured up to this many frame widths around the frame."""
UNDER_NO_SUN = np.array([0.3, 0.9, -0.3])
"""Where soft light without a sun seems to come from."""


@dataclass(frozen=True, eq=False)
class Figure:
    """An actor before a camera.

    Attributes:
        actor: who it is.
        outfit: its lamps, height and footprint.
        shape: its parts in pixels.
        range_m: distance of its middle along the ground.
        reach_m: half its length.
    """

    actor: Actor
    outfit: Outfit
    shape: Shape
    range_m: float
    reach_m: float


def figure_of(actor: Actor, view: View, sun: Plane | None, sky: Colour) -> Figure | None:
    """The actor as `view` sees it, or None when no part of it can be in the picture.

    Args:
        actor: who stands where.
        view: the picture plane.
        sun: vector (3,) towards the sun, None where it does not shine.
        sky: the colour that glossy faces mirror.
    """
    place = actor.placement
    light_from = UNDER_NO_SUN if sun is None else sun
    if actor.kind in VEHICLES:
        mesh = vehicle(actor.kind, actor.track_id)
        if _out_of_sight(view, actor, mesh.outfit):
            return None
        worn, shape = mesh.outfit, project_mesh(mesh, place, view, light_from, sky)
    else:
        worn = outfit(actor.kind, actor.track_id)
        if _out_of_sight(view, actor, worn):
            return None
        shape = project_person(actor.kind, actor.track_id, actor.way_m, place, view, light_from)
    if not shape.parts:
        return None
    return Figure(actor, worn, shape, place.range_m, float(worn.footprint[:, 1].max()))


def _out_of_sight(view: View, actor: Actor, worn: Outfit) -> bool:
    """Whether a ball around the actor lies beside the picture or behind the lens."""
    radius = float(np.hypot(*worn.footprint[0])) + worn.height_m / 2 + 0.3
    x, y, depth = view.eye(np.array([actor.placement.x, worn.height_m / 2, actor.placement.z]))
    if depth < -radius:
        return True
    for offset, side in ((x, view.width), (y, view.height)):
        half = side / 2
        if abs(offset) * view.focal_px - depth * half > radius * float(np.hypot(view.focal_px, half)):
            return True
    return False


def drawn(shape: Shape, colours: Plane, width: int, height: int) -> Sprite | None:
    """The shape in `colours` (parts, 3), clipped to the picture; None when it lies beside it."""
    stroke = max(shape.strokes_px)
    box = Box.around(shape.points, width, height, pad=1 + int(np.ceil(stroke)))
    if box.empty:
        return None
    canvas = Canvas(box)
    corners = canvas.fixed(shape.points)
    shades = np.minimum(np.maximum(colours, 0), 255).tolist()
    for part, (blue, green, red), stroke in zip(shape.parts, shades, shape.strokes_px, strict=True):
        if stroke:
            canvas.stroke_fixed(corners[part], (blue, green, red, 255.0), stroke)
        else:
            canvas.fill_fixed(corners[part], (blue, green, red, 255.0))
    return canvas.sprite()


def pixels_outside(shape: Shape, width: int, height: int) -> int:
    """About how many pixels of the silhouette lie beyond the border of the picture."""
    (left, top), (right, bottom) = shape.points.min(0).tolist(), shape.points.max(0).tolist()
    if left >= 0 and top >= 0 and right <= width and bottom <= height:
        return 0
    far = OUTSIDE_FRAMES * width
    low = np.maximum(np.floor([left, top]), -far)
    high = np.minimum(np.ceil([right, bottom]), width + far)
    per_px = min(4.0, OUTSIDE_SIDE_PX / max(1.0, float((high - low).max())))
    columns, rows = (int(side) + 1 for side in (high - low) * per_px)
    mask = np.zeros((rows, columns), np.uint8)
    fixed = np.round(((shape.points - low) * per_px - 0.5) * 16).astype(np.int32)
    for part, stroke in zip(shape.parts, shape.strokes_px, strict=True):
        if stroke:
            cv2.polylines(mask, [fixed[part]], False, 1, max(1, round(stroke * per_px)), cv2.LINE_8, 4)
        else:
            cv2.fillConvexPoly(mask, fixed[part], 1, cv2.LINE_8, 4)
    total = cv2.countNonZero(mask)
    first, last = (
        [max(0, round(float(border - edge) * per_px)) for border, edge in zip(corner, low, strict=True)]
        for corner in ((0, 0), (width, height))
    )
    inside = mask[first[1] : last[1], first[0] : last[0]]
    return round((total - (cv2.countNonZero(inside) if inside.size else 0)) / per_px**2)
