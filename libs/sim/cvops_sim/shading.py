"""The light on what moves: sun and sky, street lamps, infra-red, and the air between it and the lens."""

import math
from dataclasses import dataclass

import numpy as np

from cvops_sim.arrays import Colour, Plane, mix
from cvops_sim.light import Light
from cvops_sim.lighting import INFRARED_WEIGHTS, NIGHT_LAMPS, NIGHT_SURFACE, infrared_reach, shadow_strength
from cvops_sim.scene.bake import LAMP_POOL_M
from cvops_sim.scene.buildings import haze_at, haze_colour
from cvops_sim.scene.layout import Scene

CLEAR_HAZE = 0.6
SIDE_OF_POOL = 0.85
"""How much of the light that a lamp throws on the ground reaches something that stands there."""


@dataclass(frozen=True, eq=False)
class Shading:
    """The light of one frame on the objects of a place.

    Attributes:
        scene: the place.
        light: the light of the moment.
        extinction_per_m: of fog and falling snow.
        snow: level of snow.
    """

    scene: Scene
    light: Light
    extinction_per_m: float
    snow: float

    @property
    def shadow_strength(self) -> float:
        """Share of the light that a shadow takes away."""
        return shadow_strength(self.scene, self.snow, self.extinction_per_m)

    def transmission(self, range_m: float) -> float:
        """Share of light that comes through the air."""
        return math.exp(-self.extinction_per_m * range_m)

    def seen(self, colours: Plane, x: float, z: float, shade: float) -> Plane:
        """Colours (n, 3) as the camera sees them.

        Args:
            colours: under white light.
            x: world x of the object in metres.
            z: world z.
            shade: 0 in the sun, 1 in the shadow of something that stands.
        """
        light, range_m = self.light, math.hypot(x, z)
        lit = np.zeros_like(colours)
        if light.day > 0:
            lit = light.day * self._by_day(colours, range_m, shade)
        if light.day < 1:
            lit = lit + light.night * colours * (NIGHT_SURFACE + SIDE_OF_POOL * self._lamps(x, z) * NIGHT_LAMPS)
        if light.infrared > 0:
            grey = 0.95 * (colours @ INFRARED_WEIGHTS) * float(infrared_reach(range_m))
            lit = mix(lit, grey[:, None], light.infrared)
        return np.asarray(mix(light.haze(), lit, self.transmission(range_m)), np.float32)

    def _by_day(self, colours: Plane, range_m: float, shade: float) -> Plane:
        tint = self.light.tint()
        direct = 1 - shade * self.shadow_strength
        lit = mix(colours * direct, haze_colour(self.scene), CLEAR_HAZE * haze_at(range_m)) * tint
        return np.asarray(np.where(lit > 205, 205 + (lit - 205) * 0.55, lit))

    def _lamps(self, x: float, z: float) -> float:
        """Street lamps' light at a ground point, 0 to 1.1."""
        squares = ((x - lamp.head_x) ** 2 + (z - lamp.z) ** 2 for lamp in self.scene.lamps)
        return min(1.1, sum(math.exp(-square / (2 * LAMP_POOL_M**2)) for square in squares))

    def mirrored_sky(self) -> Colour:
        """What glossy paint and glass mirror, as under white light."""
        return mix(self.scene.palette.sky_low, self.scene.palette.sky_high, 0.35) if self.snow < 0.5 else SNOW_SKY


SNOW_SKY = np.array([216, 210, 206], np.float32)
