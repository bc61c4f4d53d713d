"""The still part of a frame: painted once a pose, lit once a few minutes, turned and fogged when it must be.

All of it is a pure function of camera, scene and world; the caches only save work.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import cv2
import numpy as np

from cvops_sim.arrays import Image, Plane
from cvops_sim.camera import STRAIGHT, Camera, Turn, View
from cvops_sim.light import Light, light_at
from cvops_sim.lighting import (
    NO_SHADOWS_PER_M,
    by_day,
    by_infrared,
    by_night,
    glow_in_fog,
    shadow_strength,
    standing_shadows,
    under_snow,
)
from cvops_sim.scene.bake import bake
from cvops_sim.scene.layout import Scene
from cvops_sim.scene.plate import SKY_RANGE_M, Plate
from cvops_sim.world import World

MARGIN = 0.09
"""Margin around a plate as a share of the picture's width: enough for every turn up to half an anchor step."""
ANCHOR_STEP_DEG = (3.0, 3.0, 5.0)
"""Steps of yaw, pitch and roll at which a turned camera's plate is painted anew."""
RELIGHT_H = 1 / 12
SNOW_STEPS = 32
AIR_STEP_PER_M = NO_SHADOWS_PER_M / 16
"""Steps of extinction at which fog takes from the shadows."""
BAKED_AT_H = 11.0
HALO_PER_EXTINCTION_M = 40.0
"""Lamps have their full halo in fog of an extinction of 1 / 40 per metre."""

Value = TypeVar("Value")


class Cache(Generic[Value]):
    """The last few results of a pure function, by key."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[Hashable, Value] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The kept value of `key`, or what `make` returns."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        value = make()
        self._kept[key] = value
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return value


@dataclass(frozen=True, eq=False)
class Backdrop:
    """The still part of one frame.

    Attributes:
        view: its picture plane.
        light: the light it stands in.
        picture: uint8 (H, W, 3); copy it before drawing.
        range_m: float32 (H, W), distance of what is seen.
        standing_m: float32 (H, W), distance of what stands upright; SKY_RANGE_M where there is only ground or sky.
        open_ground: uint8 (H, W), 255 where bare ground is seen.
        sunlit: uint8 (H, W), 255 on open ground that lies in no shadow of anything that stands.
    """

    view: View
    light: Light
    picture: Image
    range_m: Plane
    standing_m: Plane
    open_ground: Plane
    sunlit: Plane


class Backdrops:
    """Backdrops of one camera."""

    def __init__(self, scene: Scene, camera: Camera) -> None:
        self._scene = scene
        self._camera = camera
        self._plates: Cache[Plate] = Cache(6)
        self._pictures: Cache[Image] = Cache(6)
        self._shadows: Cache[Plane] = Cache(4)
        self._ready: Cache[Backdrop] = Cache(3)

    def at(self, world: World) -> Backdrop:
        """The backdrop of a state of the world; objects that move are not in it."""
        hour = round(world.hour % 24 / RELIGHT_H) * RELIGHT_H
        snow = round(world.snow * SNOW_STEPS) / SNOW_STEPS
        still = replace(world, hour=hour, snow=snow, traffic=1.0, scooters=0.0)
        return self._ready.get(still, lambda: self._make(still))

    def _make(self, world: World) -> Backdrop:
        light = light_at(world.hour, self._scene.sun_azimuth, world.dark, world.infrared)
        anchor = _anchor(world.turn)
        view = self._camera.view(world.turn)
        plate = self._plate(anchor, world)
        seen = _Seen(view, plate)
        picture, range_m = seen.smooth(self._lit(anchor, world, light, plate)), seen.exact(plate.range_m)
        if world.extinction_per_m > 0:
            picture = in_fog(picture, range_m, world.extinction_per_m, light)
            halo = min(1.0, world.extinction_per_m * HALO_PER_EXTINCTION_M) * light.night * (1 - light.infrared)
            if halo > 0:
                place = (anchor, world.works, "halo")
                glow = seen.smooth(self._pictures.get(place, lambda: glow_in_fog(plate)))
                picture = cv2.add(picture, cv2.convertScaleAbs(glow, alpha=halo))
        open_ground = seen.exact(plate.open_ground)
        sunlit = open_ground
        if light.casts_shadows:
            sunlit = cv2.subtract(open_ground, seen.exact(self._shadow(anchor, world, plate)))
        return Backdrop(view, light, picture, range_m, seen.exact(plate.standing_m), open_ground, sunlit)

    def _plate(self, anchor: Turn, world: World) -> Plate:
        bare = self._plates.get((anchor, world.works, False), lambda: self._bake(anchor, world.works, snowy=False))
        if world.snow <= 0:
            return bare
        snowy = self._plates.get((anchor, world.works, True), lambda: self._bake(anchor, world.works, snowy=True))
        return self._plates.get((anchor, world.works, world.snow), lambda: under_snow(bare, snowy, world.snow))

    def _bake(self, anchor: Turn, works: bool, *, snowy: bool) -> Plate:
        sun = light_at(BAKED_AT_H, self._scene.sun_azimuth).sun
        return bake(self._scene, self._camera.view(anchor, MARGIN), sun, snowy=snowy, works=works)

    def _shadow(self, anchor: Turn, world: World, plate: Plate) -> Plane:
        natural = light_at(world.hour, self._scene.sun_azimuth)
        key = (anchor, world.works, world.hour)
        return self._shadows.get(key, lambda: standing_shadows(plate, self._scene, natural))

    def _lit(self, anchor: Turn, world: World, light: Light, plate: Plate) -> Image:
        """The whole plate in its light; day, night and infra-red are kept apart and blended."""
        place = (anchor, world.works, world.snow)
        air = min(NO_SHADOWS_PER_M, math.ceil(world.extinction_per_m / AIR_STEP_PER_M) * AIR_STEP_PER_M)

        def sunlit() -> Image:
            natural = light_at(world.hour, self._scene.sun_azimuth)
            shadow = self._shadow(anchor, world, plate) if natural.casts_shadows else None
            return by_day(plate, natural, shadow, shadow_strength(self._scene, world.snow, air))

        if light.infrared >= 1:
            return self._pictures.get((*place, "infrared"), lambda: by_infrared(plate))
        if light.day >= 1:
            picture = self._pictures.get((*place, world.hour, air), sunlit)
        else:
            picture = self._pictures.get((*place, "night"), lambda: by_night(plate))
            if light.day > 0:
                picture = _blend(picture, self._pictures.get((*place, world.hour, air), sunlit), light.day)
        if light.infrared > 0:
            grey = self._pictures.get((*place, "infrared"), lambda: by_infrared(plate))
            picture = _blend(picture, grey, light.infrared)
        return picture


def _blend(first: Image, second: Image, share: float) -> Image:
    return cv2.addWeighted(first, 1 - share, second, share, 0)


def _anchor(turn: Turn) -> Turn:
    """The nearest turn at which a plate is painted."""
    if turn == STRAIGHT:
        return STRAIGHT
    yaw, pitch, roll = (
        round(angle / step) * step
        for angle, step in zip((turn.yaw_deg, turn.pitch_deg, turn.roll_deg), ANCHOR_STEP_DEG, strict=True)
    )
    return Turn(yaw, pitch, roll)


class _Seen:
    """What a view sees of a plate: cut out when the pose is the plate's, else turned into it."""

    def __init__(self, view: View, plate: Plate) -> None:
        self._size = (view.width, view.height)
        top, left = (plate.view.height - view.height) // 2, (plate.view.width - view.width) // 2
        self._area = np.s_[top : top + view.height, left : left + view.width]
        to_centres = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
        self._matrix = np.linalg.inv(to_centres) @ view.homography_from(plate.view) @ to_centres
        self._turned = not np.array_equal(view.rotation, plate.view.rotation)

    def smooth(self, picture: Image) -> Image:
        """Colours: interpolated."""
        return self._take(picture, cv2.INTER_CUBIC)

    def exact(self, plane: Plane) -> Plane:
        """Distances and masks: of the nearest pixel."""
        return self._take(plane, cv2.INTER_NEAREST)

    def _take(self, plane: Plane, how: int) -> Plane:
        if not self._turned:
            return np.ascontiguousarray(plane[self._area])
        return cv2.warpPerspective(plane, self._matrix, self._size, flags=how, borderMode=cv2.BORDER_REPLICATE)


def in_fog(picture: Image, range_m: Plane, per_m: float, light: Light) -> Image:
    """The picture through fog of an extinction of `per_m`."""
    steps = np.arange(256, dtype=np.float32) / 255
    through = np.exp(-per_m * SKY_RANGE_M * steps**2)
    code = cv2.sqrt(range_m * np.float32(1 / SKY_RANGE_M))
    coded = cv2.convertScaleAbs(code, alpha=255)
    clear = cv2.LUT(coded, np.round(through * 255).astype(np.uint8))
    veil = np.stack([np.round((1 - through) * channel) for channel in light.haze()], -1).astype(np.uint8)
    fog = cv2.LUT(cv2.cvtColor(coded, cv2.COLOR_GRAY2BGR), veil[None])
    return cv2.add(cv2.multiply(picture, cv2.cvtColor(clear, cv2.COLOR_GRAY2BGR), scale=1 / 255), fog)
