"""The picture of a standing world while it is painted: colour, lamps, and how far away each pixel is."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cvops_sim.arrays import Image, Plane, Points, mix
from cvops_sim.camera import View
from cvops_sim.raster import Box, Canvas, Sprite, lay_over

SKY_RANGE_M = 5000.0


@dataclass(eq=False)
class Plate:
    """One pose of a camera, everything still in it, lit by nothing yet.

    Attributes:
        view: the picture plane.
        rays: world directions (x, y, z) of the pixels, float32 (H, W) each.
        surface: uint8 (H, W, 3), colours as under a white noon sky.
        glow: uint8 (H, W, 3), what shines by itself at night.
        lamplight: float32 (H, W), how much of the street lamps' light falls here.
        range_m: float32 (H, W), distance along the ground; SKY_RANGE_M in the sky.
        ground: float32 (H, W), 1 where bare ground is seen, which shadows can fall on.
        sky: float32 (H, W), 1 where the sky is seen.
        snow_from: float32 (H, W), the level of snow (0 to 1) at which a pixel turns white.
    """

    view: View
    rays: tuple[Plane, Plane, Plane]
    surface: Image
    glow: Image
    lamplight: Plane
    range_m: Plane
    ground: Plane
    sky: Plane
    snow_from: Plane

    @cached_property
    def open_ground(self) -> Plane:
        """uint8 (H, W), 255 where bare ground is seen; ask once the plate is painted."""
        return np.asarray((self.ground > 0.5) * np.uint8(255))

    @cached_property
    def standing_m(self) -> Plane:
        """float32 (H, W), distance of what stands upright, SKY_RANGE_M elsewhere; ask once the plate is painted."""
        return np.asarray(np.where(self.ground > 0.5, np.float32(SKY_RANGE_M), self.range_m))

    def lay(self, sprite: Sprite, range_m: Plane | float, lamplight: Plane | float, glow: Image | None = None) -> None:
        """Put something upright in front of what is there.

        Args:
            sprite: what was drawn.
            range_m: its distance, one number or one a pixel.
            lamplight: how much lamp light it gets.
            glow: uint8 (h, w, 3), its own light, multiplied by the coverage; None for none.
        """
        area = sprite.box.slices
        self.surface[area] = lay_over(self.surface[area], sprite.colour, sprite.coverage)
        own_light = np.zeros_like(sprite.colour) if glow is None else glow
        self.glow[area] = lay_over(self.glow[area], own_light, sprite.coverage)
        inside = sprite.silhouette
        for plane, value in ((self.range_m, range_m), (self.ground, 0.0), (self.sky, 0.0)):
            plane[area] = np.where(inside, value, plane[area])
        share = sprite.coverage.astype(np.float32) / 255
        self.lamplight[area] = mix(self.lamplight[area], lamplight, share)

    def range_to_wall(self, box: Box, start: Points, end: Points) -> Plane:
        """Distance along the ground, (h, w), of the upright wall over the ground points `start` and `end` (x, z)."""
        x_ray, z_ray = self.rays[0][box.slices], self.rays[2][box.slices]
        normal = (end[1] - start[1], start[0] - end[0])
        towards = x_ray * normal[0] + z_ray * normal[1]
        depth = (start[0] * normal[0] + start[1] * normal[1]) / np.where(np.abs(towards) < 1e-6, 1e-6, towards)
        return np.asarray(np.clip(depth * np.hypot(x_ray, z_ray), 0.5, SKY_RANGE_M), np.float32)

    def canvas(self, points: Points, pad: int = 1) -> Canvas | None:
        """An empty canvas around projected points, or None where they are out of the picture."""
        box = Box.around(points, self.view.width, self.view.height, pad)
        return None if box.empty else Canvas(box, enlarge=2)
