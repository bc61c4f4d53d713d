"""The ground: meadow, pavement, asphalt with its wear and paint, and the same under snow."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from cvops_sim.arrays import Plane, mix, rgb
from cvops_sim.camera import View
from cvops_sim.noise_fields import sample
from cvops_sim.rng import generator
from cvops_sim.scene.layout import Scene, SiteKind
from cvops_sim.scene.road import Road

WHITE_PAINT = rgb(226, 225, 218)
YELLOW_PAINT = rgb(222, 180, 62)
CYCLE_PATH = rgb(146, 84, 72)
KERB = rgb(205, 203, 198)
GUTTER = rgb(120, 118, 114)
GRAVEL = rgb(150, 138, 116)
SNOW = rgb(232, 236, 243)


@dataclass(frozen=True, eq=False)
class Ground:
    """Where the rows of pixels hit the ground, and how coarse a pixel is there.

    Attributes:
        x: world x in metres, (h, w).
        z: world z.
        offset: distance from the centre line, right positive.
        depth: depth along the optical axis, metres.
        across: width of a pixel on the ground in metres.
        along: length of a pixel on the ground in metres.
        coarse: fractal noise a few metres wide, about -.5 to .5.
        fine: the same, decimetres wide.
        broad: the same, tens of metres wide.
        grit: grain that fades with the distance.
    """

    x: Plane
    z: Plane
    offset: Plane
    depth: Plane
    across: Plane
    along: Plane
    coarse: Plane
    fine: Plane
    broad: Plane
    grit: Plane

    def band(self, centre: float, half: float) -> Plane:
        """Coverage 0 to 1 by a line along the road, `half` metres to each side of the offset `centre`."""
        return np.asarray(np.clip((half - np.abs(self.offset - centre)) / self.across + 0.5, 0, 1))

    def within(self, half: Any) -> Plane:
        """Coverage by everything at most `half` metres from the centre line."""
        return np.asarray(np.clip((half - np.abs(self.offset)) / self.across + 0.5, 0, 1))

    def crosswise(self, centre: float, half: float) -> Plane:
        """Coverage by a bar across the road at the distance `centre`."""
        return np.asarray(np.clip((half - np.abs(self.z - centre)) / self.along + 0.5, 0, 1))

    def dashes(self, length: float, period: float) -> Plane:
        """Coverage by dashes along the road; their mean where a pixel holds several."""
        inside = np.abs(np.mod(self.z, period) - period / 2)
        sharp = np.clip((length / 2 - inside) / self.along + 0.5, 0, 1)
        return np.asarray(np.where(self.along > period * 0.7, length / period, sharp))


def ground_of(view: View, road: Road, down: Plane, x_ray: Plane, z_ray: Plane) -> Ground:
    """Meet the rays (`down` is their y) with the ground; rays above the horizon get the far edge of the world."""
    depth = view.above_ground_m / np.maximum(-down, 0.004)
    x, z = depth * x_ray, depth * z_ray
    across = np.maximum(depth / view.focal_px, 1e-4) * 1.2
    along = across * np.maximum(1, depth / view.above_ground_m)
    fade = np.exp(-depth / 60) / (1 + depth / 45)
    return Ground(
        x=x,
        z=z,
        offset=x - road.centre_x(z),
        depth=depth,
        across=across,
        along=along,
        coarse=(sample("fractal", x * 9, z * 9) - 0.5) / (1 + along / 12),
        fine=(sample("fractal", x * 60 + 90, z * 60) - 0.5) / (1 + along / 2),
        broad=sample("fractal", x * 1.7 + 40, z * 1.7) - 0.5,
        grit=sample("grain", x * 33, z * 33) * fade,
    )


def paint_ground(scene: Scene, g: Ground) -> Plane:
    """Colours of the bare ground, float32 (h, w, 3)."""
    picture = _meadow(scene, g)
    if scene.kind is SiteKind.RURAL:
        gravel = GRAVEL * (1 + 0.25 * g.coarse + 0.3 * g.fine)[..., None] + (9 * g.grit)[..., None]
        verge = scene.road.kerb_m + 1.2 + 1.2 * g.fine
        picture = mix(picture, gravel, np.clip((verge - np.abs(g.offset)) / (g.across + 0.3) + 0.5, 0, 1)[..., None])
    else:
        picture = _pavement(scene, g, picture)
    return np.asarray(mix(picture, _carriageway(scene, g), g.within(scene.road.kerb_m)[..., None]), np.float32)


def _meadow(scene: Scene, g: Ground) -> Plane:
    grass = scene.palette.grass * (1 + 0.30 * g.coarse + 0.35 * g.broad)[..., None]
    grass = grass + (22 * g.fine + 7 * g.grit)[..., None]
    grass[..., 2] += 30 * np.clip(g.broad + g.coarse, 0, 1)
    return np.asarray(grass, np.float32)


def _pavement(scene: Scene, g: Ground, picture: Plane) -> Plane:
    road, stone = scene.road, scene.palette.pavement
    if scene.kind is SiteKind.URBAN:
        square = stone * 0.94 * (1 + 0.12 * g.coarse + 0.10 * g.broad)[..., None] + (3 * g.grit)[..., None]
        picture = mix(picture, square, g.within(road.built_m + 30)[..., None])
    joint_z = np.clip((0.03 - np.abs(np.mod(g.z, 0.9) - 0.45)) / g.along + 0.5, 0, 1) * np.clip(1 - g.along / 0.5, 0, 1)
    joint_x = np.clip((0.03 - np.abs(np.mod(g.offset, 0.9) - 0.45)) / g.across + 0.5, 0, 1)
    joint = np.maximum(joint_z, joint_x * np.clip(1 - g.across / 0.3, 0, 1))
    slabs = stone * (1 + 0.10 * g.coarse + 0.08 * g.fine)[..., None] + (3 * g.grit - 18 * joint)[..., None]
    picture = mix(picture, slabs, g.within(road.built_m)[..., None])
    picture = mix(picture, KERB * (1 + 0.1 * g.fine)[..., None], g.within(road.kerb_m + 0.32)[..., None])
    return np.asarray(mix(picture, GUTTER, g.within(road.kerb_m + 0.1)[..., None]), np.float32)


def _wheel_tracks(road: Road, g: Ground) -> Plane:
    """0 to 1 where wheels run."""
    beside = np.abs(np.mod(np.abs(g.offset), road.lane_m) - road.lane_m / 2)
    return np.exp(-(((beside - 0.8) / 0.34) ** 2))


def _carriageway(scene: Scene, g: Ground) -> Plane:
    road, palette = scene.road, scene.palette
    grey = palette.asphalt * (1 + 0.10 * g.broad + 0.09 * g.coarse + 0.07 * g.fine)
    grey = grey + 5.5 * g.grit - 6 * _wheel_tracks(road, g)
    rng = generator(scene.seed, "patches")
    for _ in range(9):
        at_z, at_offset = float(rng.uniform(8, 110)), float(rng.uniform(-road.half_m, road.half_m))
        length, width, darker = float(rng.uniform(2, 12)), float(rng.uniform(0.6, 2.4)), float(rng.uniform(0.04, 0.16))
        grey = grey * (1 - g.band(at_offset, width / 2) * g.crosswise(at_z, length / 2) * darker)
    shift = rng.integers(0, 512, 2)
    crack = np.exp(-((np.abs(sample("fractal", g.x * 22 + shift[0], g.z * 7 + shift[1]) - 0.5) / 0.006) ** 2))
    grey = grey * (1 - 0.28 * crack * np.exp(-g.depth / 30))
    asphalt = np.stack([grey - palette.asphalt_warmth, grey, grey + palette.asphalt_warmth], -1)
    if road.cycle_path_m:
        path = CYCLE_PATH * (1 + 0.12 * g.coarse + 0.1 * g.fine)[..., None] + (4 * g.grit)[..., None]
        beyond = np.clip((np.abs(g.offset) - road.half_m) / g.across + 0.5, 0, 1)
        asphalt = mix(asphalt, path, beyond[..., None] * 0.85)
    return _markings(road, scene.kind, g, asphalt)


def _markings(road: Road, kind: SiteKind, g: Ground, asphalt: Plane) -> Plane:
    worn = np.clip(0.93 - 0.55 * np.clip(g.fine + 0.1, 0, 1), 0, 1)
    white = np.maximum(g.band(road.half_m - 0.2, 0.07), g.band(0.2 - road.half_m, 0.07))
    for lane in range(1, road.lanes):
        for side in (-1, 1):
            white = np.maximum(white, g.band(side * lane * road.lane_m, 0.08) * g.dashes(3.2, 9.0))
    if road.lanes == 1 and kind is SiteKind.RURAL:
        centre = g.band(0.0, 0.07) * g.dashes(3.2, 7.0)
    else:
        centre = np.maximum(g.band(0.14, 0.06), g.band(-0.14, 0.06))
    if road.zebra_at_m:
        stripe = np.clip((0.26 - np.abs(np.mod(g.offset, 1.0) - 0.5)) / g.across + 0.5, 0, 1)
        stripe = stripe * g.crosswise(road.zebra_at_m, 1.6) * g.within(road.half_m - 0.3)
        free = 1 - g.crosswise(road.zebra_at_m, 2.0)
        white, centre = np.maximum(white * free, stripe), centre * free
    shade = (1 + 0.12 * g.fine)[..., None]
    asphalt = mix(asphalt, WHITE_PAINT * shade, (white * worn)[..., None])
    colour = YELLOW_PAINT if road.yellow_centre else WHITE_PAINT
    return np.asarray(mix(asphalt, colour * shade, (centre * worn)[..., None]), np.float32)


def snow_on(scene: Scene, g: Ground, bare: Plane) -> tuple[Plane, Plane]:
    """The ground under deep snow, float32 (h, w, 3), and the level (h, w) at which each pixel turns white."""
    white = SNOW * (1 + 0.05 * g.coarse + 0.05 * g.broad + 0.03 * g.fine)[..., None] + (2.5 * g.grit)[..., None]
    on_lanes = g.within(scene.road.half_m)
    ragged = np.clip(1 + 1.2 * g.fine + 0.8 * g.coarse, 0, 1.3)
    slush = np.clip(_wheel_tracks(scene.road, g) * ragged - 0.15, 0, 0.62) * on_lanes
    snowy = mix(white, mix(bare, rgb(150, 150, 154), 0.45), slush[..., None])
    snow_from = np.clip(0.42 + 0.5 * g.coarse + 0.3 * g.fine, 0.1, 0.8) + 0.15 * on_lanes
    return np.asarray(snowy, np.float32), np.asarray(snow_from, np.float32)
