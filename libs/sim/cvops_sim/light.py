"""Daylight, dusk and night: what the hour does to sun, sky and lamps."""

import math
from dataclasses import dataclass

import numpy as np

from cvops_sim.arrays import Colour, Points, mix, rgb

SUNRISE_H = 6.0
SUNSET_H = 19.5
SHADOWS_FROM = 0.12
NIGHT_H = 23.0

_WARM_TINT = np.array([0.78, 0.92, 1.10], np.float32)
_WHITE_TINT = np.ones(3, np.float32)


@dataclass(frozen=True)
class Light:
    """The light of one moment.

    Attributes:
        day: 0 at night, 1 at full day.
        warm: 0 to 1, the red of a low sun.
        elevation: sine-like height of the sun, below 0 at night.
        sun: unit-like vector towards the sun, (3,).
        infrared: 0 for a colour picture, 1 for the camera's own infra-red lamp.
    """

    day: float
    warm: float
    elevation: float
    sun: Points
    infrared: float

    @property
    def night(self) -> float:
        """1 when it is dark."""
        return 1.0 - self.day

    @property
    def casts_shadows(self) -> bool:
        """Whether the sun is high enough for shadows of its own."""
        return self.elevation > SHADOWS_FROM and self.day > 0.3 and self.infrared < 0.5

    def tint(self) -> Colour:
        """Factor (3,) by which daylight colours a surface."""
        return np.asarray(mix(_WHITE_TINT, _WARM_TINT, self.warm * 0.8) * (0.62 + 0.56 * self.day), np.float32)

    def haze(self) -> Colour:
        """Colour of fog in this light."""
        by_day = mix(rgb(202, 206, 210), rgb(220, 200, 184), self.warm * 0.5)
        colour = mix(rgb(46, 46, 52), by_day, self.day)
        return np.asarray(mix(colour, rgb(70, 70, 70), self.infrared), np.float32)


def light_at(hour: float, sun_azimuth: float, dark: float = 0.0, infrared: float = 0.0) -> Light:
    """The light at `hour` (0 to 24) at a place whose noon sun stands at `sun_azimuth` radians.

    Args:
        hour: local time.
        sun_azimuth: where the sun stands at noon, as an angle from the x axis.
        dark: 0 to 1, takes away daylight (the night effect).
        infrared: 0 to 1, the camera's infra-red mode.
    """
    hour %= 24
    if SUNRISE_H <= hour <= SUNSET_H:
        elevation = math.sin((hour - SUNRISE_H) / (SUNSET_H - SUNRISE_H) * math.pi)
    else:
        elevation = -0.25 * min(abs(hour - SUNRISE_H), abs(hour - SUNSET_H), 24 - abs(hour - SUNSET_H))
    rise = min(max((elevation + 0.22) / 0.42, 0.0), 1.0)
    day = rise * rise * (3 - 2 * rise) * (1 - dark)
    warm = math.exp(-(((elevation - 0.04) / 0.17) ** 2)) * (1 - dark)
    height = max(elevation, SHADOWS_FROM)
    azimuth = sun_azimuth + (hour - 12) * 0.26
    across = math.cos(height)
    sun = np.array([math.cos(azimuth) * across, math.sin(max(height * 1.1, 0.2)), math.sin(azimuth) * across])
    return Light(day, warm, elevation, sun, infrared)


def busyness(hour: float) -> float:
    """How busy a road is at `hour`: 0.1 at night, about 1 in the rush hours."""
    hour %= 24
    morning = 0.9 * math.exp(-(((hour - 8.3) / 1.6) ** 2))
    evening = 1.0 * math.exp(-(((hour - 17.4) / 2.0) ** 2))
    return 0.10 + morning + evening + 0.55 * math.exp(-(((hour - 13.0) / 3.2) ** 2))
