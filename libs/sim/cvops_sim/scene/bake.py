"""Painting a standing world once, so that a frame only adds what moves."""

import numpy as np

from cvops_sim.arrays import Plane, Points, mix
from cvops_sim.camera import View
from cvops_sim.scene.buildings import paint_building
from cvops_sim.scene.ground import ground_of, paint_ground, snow_on
from cvops_sim.scene.layout import Building, Lamp, Scene, Sign, Tree
from cvops_sim.scene.plate import SKY_RANGE_M, Plate
from cvops_sim.scene.roadworks import Obstacle, break_ground, obstacles, paint_obstacle
from cvops_sim.scene.sky import paint_sky
from cvops_sim.scene.street import paint_lamp, paint_sign
from cvops_sim.scene.trees import paint_tree

HORIZON = -0.004
LAMP_POOL_M = 5.2


def bake(scene: Scene, view: View, sun: Points, *, snowy: bool = False, works: bool = False) -> Plate:
    """Paint `scene` as `view` sees it.

    Args:
        scene: the place.
        view: the pose, with as much margin as is wanted.
        sun: vector towards the sun, for the lit sides of walls and crowns.
        snowy: under deep snow.
        works: with roadworks in the outer right lane.
    """
    plate = _paint_far(scene, view, snowy=snowy)
    things: list[Tree | Lamp | Building | Sign | Obstacle] = [
        *scene.trees,
        *scene.lamps,
        *scene.buildings,
        *scene.signs,
    ]
    if works:
        break_ground(plate, scene)
        things += obstacles(scene)
    for thing in sorted(things, key=_farthest_first):
        if isinstance(thing, Building):
            paint_building(plate, scene, thing, sun, snowy=snowy)
        elif isinstance(thing, Tree):
            paint_tree(plate, scene, thing, sun, snowy=snowy)
        elif isinstance(thing, Lamp):
            paint_lamp(plate, scene, thing)
        elif isinstance(thing, Obstacle):
            paint_obstacle(plate, thing)
        else:
            paint_sign(plate, thing)
    return plate


def _farthest_first(thing: Tree | Lamp | Building | Sign | Obstacle) -> float:
    return -thing.z - (thing.length_m if isinstance(thing, Building) else 0.0)


def _paint_far(scene: Scene, view: View, *, snowy: bool) -> Plate:
    """Ground and sky, each only in the rows where it can be seen."""
    x_ray, y_ray, z_ray = view.rays()
    is_ground = y_ray < HORIZON
    picture = np.zeros((view.height, view.width, 3), np.float32)
    snow_from = np.full((view.height, view.width), 0.5, np.float32)
    range_m = np.full((view.height, view.width), SKY_RANGE_M, np.float32)
    sky_share = np.zeros((view.height, view.width), np.float32)
    lamplight = np.zeros((view.height, view.width), np.float32)
    rows = _rows(~is_ground)
    if rows is not None:
        bare, white, free = paint_sky(scene, view, x_ray[rows], y_ray[rows], z_ray[rows])
        picture[rows] = white if snowy else bare
        sky_share[rows] = np.where(is_ground[rows], 0, free)
    rows = _rows(is_ground)
    if rows is not None:
        ground = ground_of(view, scene.road, y_ray[rows], x_ray[rows], z_ray[rows])
        colours = paint_ground(scene, ground)
        if snowy:
            colours, snow_from[rows] = snow_on(scene, ground, colours)
        haze = mix(scene.palette.sky_low, scene.palette.hills, 0.3)
        colours = mix(colours, haze, 0.8 * (1 - np.exp(-ground.depth / 420))[..., None])
        below = is_ground[rows]
        picture[rows] = np.where(below[..., None], colours, picture[rows])
        range_m[rows] = np.where(below, np.minimum(np.hypot(ground.x, ground.z), SKY_RANGE_M), SKY_RANGE_M)
        lamplight[rows] = np.where(below, _lamp_pools(scene, ground.x, ground.z), 0)
    return Plate(
        view=view,
        rays=(x_ray, y_ray, z_ray),
        surface=np.clip(picture, 0, 255).astype(np.uint8),
        glow=np.zeros((view.height, view.width, 3), np.uint8),
        lamplight=lamplight,
        range_m=range_m,
        ground=is_ground.astype(np.float32),
        sky=sky_share,
        snow_from=snow_from,
    )


def _rows(mask: Plane) -> slice | None:
    rows = np.flatnonzero(mask.any(1))
    return slice(int(rows[0]), int(rows[-1]) + 1) if len(rows) else None


def _lamp_pools(scene: Scene, x: Plane, z: Plane) -> Plane:
    """Light of all street lamps on the ground, (h, w)."""
    total = np.zeros_like(x)
    near = z < 220
    x_near, z_near = x[near], z[near]
    pools = np.zeros_like(x_near)
    for lamp in scene.lamps:
        squared = (x_near - lamp.head_x) ** 2 + (z_near - lamp.z) ** 2
        pools += np.exp(-squared / (2 * LAMP_POOL_M**2))
    total[near] = pools
    return total
