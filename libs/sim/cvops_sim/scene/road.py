"""The road: its cross-section, its course, and where traffic runs on it."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Road:
    """A road that runs away from the camera. Lengths in metres; offsets are from the centre line, right is positive.

    Attributes:
        lanes: lanes in each direction.
        lane_m: width of a lane.
        cycle_path_m: width of the cycle path on each side, 0 for none.
        pavement_m: width of the pavement (the verge of a country road).
        course: the centre line is at course[0] + course[1] z + course[2] z^2.
        zebra_at_m: distance of the zebra crossing, None for none.
        yellow_centre: whether the centre line is yellow.
    """

    lanes: int
    lane_m: float
    cycle_path_m: float
    pavement_m: float
    course: tuple[float, float, float]
    zebra_at_m: float | None
    yellow_centre: bool

    @property
    def half_m(self) -> float:
        """From the centre line to the edge of the outer lane."""
        return self.lanes * self.lane_m + 0.35

    @property
    def kerb_m(self) -> float:
        """From the centre line to the kerb."""
        return self.half_m + self.cycle_path_m

    @property
    def built_m(self) -> float:
        """From the centre line to the far edge of the pavement."""
        return self.kerb_m + self.pavement_m

    def centre_x(self, z: Any) -> Any:
        """World x of the centre line at the distance `z`."""
        a, b, c = self.course
        return a + b * z + c * z * z

    def slope(self, z: float) -> float:
        """dx/dz of the centre line."""
        return self.course[1] + 2 * self.course[2] * z


def make_road(rng: np.random.Generator, *, rural: bool) -> Road:
    """A plausible road; `rural` ones are narrow, without cycle path and zebra."""
    lanes = int(rng.choice([1, 2], p=[0.7, 0.3] if rural else [0.45, 0.55]))
    lane_m = float(rng.uniform(3.2, 3.6))
    cycle_path_m = 1.7 if rng.random() < 0.5 and not rural else 0.0
    pavement_m = 1.5 if rural else float(rng.uniform(2.2, 3.4))
    kerb_m = lanes * lane_m + 0.35 + cycle_path_m
    side = 1 if rng.random() < 0.5 else -1
    course = (
        -side * float(rng.uniform(0.55, 1.0)) * (kerb_m + 1.5),
        side * float(rng.uniform(0.04, 0.22)),
        float(rng.uniform(-1, 1)) * 0.0011,
    )
    zebra = float(rng.uniform(20, 34)) if rng.random() < 0.6 and not rural else None
    return Road(lanes, lane_m, cycle_path_m, pavement_m, course, zebra, bool(rng.random() < 0.4))
