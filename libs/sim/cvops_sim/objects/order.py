"""Who stands before whom: along the line of sight, not by the middle of a long bus."""

from collections.abc import Sequence
from functools import cmp_to_key

import numpy as np

from cvops_sim.arrays import Plane
from cvops_sim.camera import View
from cvops_sim.objects.figure import Figure
from cvops_sim.raster import Box


def farthest_first(figures: Sequence[Figure]) -> list[Figure]:
    """The figures in the order of drawing."""
    order = [(figure, _directions(figure)) for figure in figures]
    order.sort(key=lambda entry: (-entry[0].range_m, entry[0].actor.track_id))
    order.sort(key=cmp_to_key(_nearer))
    return [figure for figure, _ in order]


def _directions(figure: Figure) -> tuple[float, float]:
    """The directions, as angles from the road's axis, between which a figure stands."""
    place = figure.actor.placement
    corners = place.to_ground(figure.outfit.footprint)
    angles = np.arctan2(corners[:, 0], corners[:, 2])
    return float(angles.min()), float(angles.max())


def _nearer(one: tuple[Figure, tuple[float, float]], two: tuple[Figure, tuple[float, float]]) -> int:
    """Above 0 when `one` is to be drawn after `two`, below 0 when before."""
    (first, (first_low, first_high)), (second, (second_low, second_high)) = one, two
    by_middle = second.range_m - first.range_m
    if abs(by_middle) > first.reach_m + second.reach_m:
        return _sign(by_middle)
    low, high = max(first_low, second_low), min(first_high, second_high)
    if low >= high:
        return _sign(by_middle)
    x, z = np.sin((low + high) / 2), np.cos((low + high) / 2)
    return _sign(float(range_along(second, x, z) - range_along(first, x, z)))


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def range_along(figure: Figure, x: Plane | float, z: Plane | float) -> Plane:
    """How far away the figure's long axis is in the ground directions (x, z), in metres; any shape."""
    place = figure.actor.placement
    length = np.hypot(x, z)
    across = (np.asarray(x) * place.forward_z - np.asarray(z) * place.forward_x) / length
    axis = place.x * place.forward_z - place.z * place.forward_x
    steep = np.where(np.abs(across) < 1e-3, 1e-3, across)
    return np.clip(axis / steep, figure.range_m - figure.reach_m, figure.range_m + figure.reach_m)


def hidden_by_standing(figure: Figure, standing_m: Plane, view: View, box: Box) -> Plane | None:
    """Where in `box` something that stands still hides the figure, bool (h, w), or None where nothing does."""
    near = standing_m[box.slices]
    nearest = float(near.min())
    if nearest >= figure.range_m + figure.reach_m:
        return None
    certain = near < figure.range_m - figure.reach_m
    doubtful = (near < figure.range_m + figure.reach_m) & ~certain
    if figure.reach_m > 1 and doubtful.any():
        x, z = _ground_directions(view, box)
        return np.asarray(certain | (doubtful & (near < range_along(figure, x, z))))
    return np.asarray(near < figure.range_m)


def _ground_directions(view: View, box: Box) -> tuple[Plane, Plane]:
    """World x and z of the lines of sight through the pixels of `box`."""
    across = (np.arange(box.left, box.right) + 0.5 - view.width / 2) / view.focal_px
    down = ((np.arange(box.top, box.bottom) + 0.5 - view.height / 2) / view.focal_px)[:, None]
    right, below, ahead = view.rotation
    return across * right[0] + down * below[0] + ahead[0], across * right[2] + down * below[2] + ahead[2]
