"""The state of a place at one moment: what the effects turn before a frame is drawn."""

from dataclasses import dataclass

from cvops_sim.camera import STRAIGHT, Turn

SNOWFALL_PER_M = 0.004


@dataclass(frozen=True)
class World:
    """Everything besides seed and time that a frame depends on.

    Attributes:
        hour: local time of day, 0 to 24.
        traffic: traffic against the usual of the place and hour.
        dark: 0 to 1, takes away daylight without a change of the hour (and so of the traffic).
        infrared: 0 to 1, the camera's infra-red mode.
        fog_per_m: extinction of the air; 0.02 leaves 37 % after 50 m.
        snow: 0 to 1, cover on the ground and flakes in the air.
        turn: how far the camera is turned from its nominal pose.
        scooters: share of cyclists that ride scooters instead, 0 to 1.
        works: whether the outer right lane is closed by roadworks.
    """

    hour: float = 12.0
    traffic: float = 1.0
    dark: float = 0.0
    infrared: float = 0.0
    fog_per_m: float = 0.0
    snow: float = 0.0
    turn: Turn = STRAIGHT
    scooters: float = 0.0
    works: bool = False

    @property
    def extinction_per_m(self) -> float:
        """Extinction of the air by fog and falling snow."""
        return self.fog_per_m + SNOWFALL_PER_M * self.snow
