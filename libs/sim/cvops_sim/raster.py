"""Shapes to pixels: polygons drawn enlarged and averaged, so that edges are smooth and coverage is known.

A pixel belongs to a silhouette when more than half of it is covered. Boxes, masks and visibility all follow from that
one rule.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from cvops_sim.arrays import Colour, Image, Plane, Points

MORE_THAN_HALF = 129
SMALL_SPRITE_PX = 3000
FARTHEST_PX = 30000
"""Corners farther out than this are moved in, to fit into fixed point numbers."""
_SHIFT = 4
_ONE = 1 << _SHIFT


@dataclass(frozen=True)
class Box:
    """A rectangle of whole pixels: left and top inside, right and bottom just outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def empty(self) -> bool:
        """Whether it holds no pixel."""
        return self.right <= self.left or self.bottom <= self.top

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to index a picture."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @classmethod
    def around(cls, points: Points, width: int, height: int, pad: int = 1) -> "Box":
        """The smallest box around `points` (N, 2) plus `pad` px, clipped to the picture."""
        (left, top), (right, bottom) = points.min(0).tolist(), points.max(0).tolist()
        return cls(
            max(math.floor(left) - pad, 0),
            max(math.floor(top) - pad, 0),
            min(math.ceil(right) + pad, width),
            min(math.ceil(bottom) + pad, height),
        )


@dataclass(frozen=True)
class Sprite:
    """Something drawn, ready to be laid over a picture.

    Attributes:
        box: where it lies in the picture.
        colour: uint8 (h, w, 3), already multiplied by the coverage.
        coverage: uint8 (h, w), 255 where the pixel is covered entirely.
    """

    box: Box
    colour: Image
    coverage: Plane

    @property
    def silhouette(self) -> Plane:
        """The pixels of which more than half is covered, bool (h, w)."""
        return np.asarray(self.coverage >= MORE_THAN_HALF)


class Canvas:
    """An enlarged, empty, transparent picture of one box of the frame."""

    def __init__(self, box: Box, enlarge: int | None = None) -> None:
        small = (box.right - box.left) * (box.bottom - box.top) < SMALL_SPRITE_PX
        self.box = box
        self.enlarge = enlarge or (4 if small else 2)
        rows, columns = (box.bottom - box.top) * self.enlarge, (box.right - box.left) * self.enlarge
        self.pixels = np.zeros((rows, columns, 4), np.uint8)
        self._origin = np.array([box.left, box.top], float)

    def fixed(self, points: Points) -> Points:
        """Frame pixels as OpenCV's fixed point numbers on this canvas, int32."""
        inner = (np.asarray(points, float) - self._origin) * self.enlarge - 0.5
        return _fixed_point(inner)

    def polygon(self, corners: Points, colour: Points) -> None:
        """Fill a convex polygon given in frame pixels."""
        self.fill_fixed(self.fixed(corners), (float(colour[0]), float(colour[1]), float(colour[2]), 255.0))

    def fill_fixed(self, corners: Points, colour: tuple[float, float, float, float]) -> None:
        """Fill a convex polygon given in this canvas's fixed point numbers."""
        cv2.fillConvexPoly(self.pixels, corners, colour, cv2.LINE_8, _SHIFT)

    def stroke_fixed(self, corners: Points, colour: tuple[float, float, float, float], width_px: float) -> None:
        """Draw an open line of `width_px` frame pixels."""
        thick = max(1, round(width_px * self.enlarge))
        cv2.polylines(self.pixels, [corners], False, colour, thick, cv2.LINE_8, _SHIFT)

    def disc(self, centre: Points, radius_px: float, colour: Points) -> None:
        """Fill a circle given in frame pixels."""
        x, y = self.fixed(centre)
        radius = max(1, round(radius_px * self.enlarge * _ONE))
        shade = (float(colour[0]), float(colour[1]), float(colour[2]), 255.0)
        cv2.circle(self.pixels, (int(x), int(y)), radius, shade, -1, cv2.LINE_8, _SHIFT)

    def sprite(self) -> Sprite:
        """What was drawn, averaged down to frame pixels."""
        size = (self.box.right - self.box.left, self.box.bottom - self.box.top)
        small = cv2.resize(self.pixels, size, interpolation=cv2.INTER_AREA)
        return Sprite(self.box, np.ascontiguousarray(small[..., :3]), np.ascontiguousarray(small[..., 3]))


def flat(colour: Colour, coverage: Plane) -> Image:
    """One colour everywhere, multiplied by a coverage uint8 (h, w)."""
    return cv2.merge([cv2.convertScaleAbs(coverage, alpha=float(channel) / 255) for channel in colour])


def lay_over(picture: Image, colour: Image, coverage: Plane) -> Image:
    """`colour`, multiplied by `coverage` already, over `picture`; all of one size."""
    rest = cv2.cvtColor(cv2.bitwise_not(coverage), cv2.COLOR_GRAY2BGR)
    return cv2.add(cv2.multiply(picture, rest, scale=1 / 255), colour)


def _fixed_point(pixels: Points) -> Points:
    near = np.minimum(np.maximum(pixels, -FARTHEST_PX), FARTHEST_PX)
    return np.asarray(np.rint(near * _ONE), np.int32)


def coverage_of(corners: Points, box: Box, convex: bool = True) -> Plane:
    """How much of each pixel of `box` a polygon covers, uint8 (h, w)."""
    plane = np.zeros((box.bottom - box.top, box.right - box.left), np.uint8)
    inner = np.asarray(corners, float) - (box.left + 0.5, box.top + 0.5)
    fixed = _fixed_point(inner)
    if convex:
        cv2.fillConvexPoly(plane, fixed, 255, cv2.LINE_AA, _SHIFT)
    else:
        cv2.fillPoly(plane, [fixed], 255, cv2.LINE_AA, _SHIFT)
    return plane


def bounds(mask: Plane) -> Box | None:
    """The smallest box around the true pixels of a bool plane, or None where there is none."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
