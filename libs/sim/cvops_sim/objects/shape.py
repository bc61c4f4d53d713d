"""An object in a picture: flat parts in drawing order, its lamps and its footprint."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cvops_sim.arrays import Plane, Points


@dataclass(frozen=True)
class Placement:
    """Where an object stands: ground point and heading.

    Attributes:
        x: world x in metres.
        z: world z.
        forward_x: x of its heading, a unit vector on the ground.
        forward_z: z of its heading.
    """

    x: float
    z: float
    forward_x: float
    forward_z: float

    def to_ground(self, local: Points) -> Points:
        """Ground points (N, 3) of the world for local ones (N, 2): right, forward."""
        raised = np.zeros((len(local), 3))
        raised[:, [0, 2]] = local
        return self.to_world(raised)

    @property
    def forward(self) -> Points:
        """The heading (3,) as a world vector."""
        return np.array([self.forward_x, 0.0, self.forward_z])

    @property
    def range_m(self) -> float:
        """Distance from the camera along the ground."""
        return float(np.hypot(self.x, self.z))

    def to_world(self, local: Points) -> Points:
        """World points of local ones (..., 3): right, up, forward."""
        axes = np.array([[self.forward_z, 0, -self.forward_x], [0, 1, 0], [self.forward_x, 0, self.forward_z]], float)
        return np.asarray(local @ axes + (self.x, 0.0, self.z))

    def to_local(self, vector: Points) -> Points:
        """The direction (3,) of the world as right, up, forward."""
        right = vector[0] * self.forward_z - vector[2] * self.forward_x
        return np.array([right, vector[1], vector[0] * self.forward_x + vector[2] * self.forward_z])


@dataclass(frozen=True, eq=False)
class Shape:
    """Parts of an object in a picture, in drawing order.

    Attributes:
        points: float64 (N, 2), pixels.
        parts: for each part the indices of its points.
        colours: float32 (parts, 3), as under white light, shaded by their direction.
        strokes_px: width of each part that is a line; 0 for a filled part.
    """

    points: Points
    parts: list[npt.NDArray[Any]]
    colours: Plane
    strokes_px: list[float]


@dataclass(frozen=True, eq=False)
class Outfit:
    """What an object has besides its shape, in local metres.

    Attributes:
        height_m: its height, for its shadow.
        footprint: (4, 2) right and forward of the corners it stands on.
        headlights: (N, 3).
        taillights: (N, 3).
        beams: whether its headlights light the road.
    """

    height_m: float
    footprint: Points
    headlights: Points
    taillights: Points
    beams: bool


def footprint(half_width_m: float, half_length_m: float) -> Points:
    """Corners (4, 2) of a rectangle to stand on."""
    w, h = half_width_m, half_length_m
    return np.array([(-w, -h), (w, -h), (w, h), (-w, h)])
