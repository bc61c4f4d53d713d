"""What lies on, before or in the lens; measures are those of a picture 360 px high and grow with it."""

import math
from functools import lru_cache

import cv2
import numpy as np

from cvops_sim.arrays import Image, Plane, rgb
from cvops_sim.effects.kind import ActsOn, Kind
from cvops_sim.rng import generator

STEPS = 50
"""Masks are made for magnitudes in steps of 1/50, so that a ramp needs few of them."""
MUD, SILK, SPIDER, HAND = rgb(70, 58, 44), 205.0, 22.0, rgb(38, 22, 16)


def _blur(picture: Image, sigma_px: float) -> Image:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma_px))


def _laid_over(picture: Image, colour: Image | float, share: Plane) -> Image:
    """`picture` where `share`, uint8 (H, W, 3), is 0, `colour` where it is 255."""
    below = cv2.multiply(picture, cv2.bitwise_not(share), scale=1 / 255)
    above = np.empty_like(picture)
    above[:] = np.asarray(colour, np.uint8)
    return np.asarray(cv2.add(below, cv2.multiply(above, share, scale=1 / 255)))


def _share(mask: Plane) -> Plane:
    """A mask 0 to 1, (H, W), as uint8 (H, W, 3)."""
    return cv2.cvtColor(np.round(np.clip(mask, 0, 1) * 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)


@lru_cache(maxsize=8)
def _drops(seed: int, width: int, height: int, step: int) -> tuple[Plane, Plane, Plane, Plane]:
    """Where each pixel looks (x, y), the drops' coverage (H, W, 3) and their glints, int16 (H, W, 3)."""
    magnitude, scale = step / STEPS, height / 360
    rng = generator(seed, "rain on the lens")
    count = int(20 + 130 * magnitude)
    shift_x, shift_y, mask, glint = (np.zeros((height, width), np.float32) for _ in range(4))
    sizes = rng.choice([3, 4, 5, 7, 10, 14], 150, p=[0.25, 0.25, 0.2, 0.15, 0.1, 0.05])
    places = rng.uniform(0, 1, (150, 2)) * (width, height)
    for (x, y), size in zip(places[:count], sizes[:count], strict=True):
        radius = float(size) * (1 + 0.3 * magnitude) * scale
        left, right = int(max(0, x - radius)), int(min(width, x + radius + 1))
        top, bottom = int(max(0, y - radius * 1.2)), int(min(height, y + radius * 1.2 + 1))
        rows, columns = np.mgrid[top:bottom, left:right]
        across, down = (columns - x) / radius, (rows - y) / (radius * 1.15)
        reach = across**2 + down**2
        inside, area = reach < 1, np.s_[top:bottom, left:right]
        shift_x[area][inside] = (-across * radius * 3.2)[inside]
        shift_y[area][inside] = (-down * radius * 3.2)[inside]
        mask[area][inside] = 1
        shine = np.exp(-((across + 0.35) ** 2 + (down + 0.4) ** 2) / 0.05) * 70 - 95 * np.clip(reach - 0.6, 0, 1)
        glint[area][inside] = shine[inside]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    glints = np.repeat(np.round(glint).astype(np.int16)[..., None], 3, 2)
    return columns + shift_x, rows + shift_y, _share(cv2.GaussianBlur(mask, (0, 0), 0.8 * scale)), glints


def _rain(picture: Image, magnitude: float, seed: int) -> Image:
    height, width = picture.shape[:2]
    x, y, share, glint = _drops(seed, width, height, round(magnitude * STEPS))
    scale = height / 360
    wet = cv2.convertScaleAbs(
        _blur(picture, (0.6 + 1.1 * magnitude) * scale), alpha=1 - 0.1 * magnitude, beta=14 * magnitude
    )
    bent = cv2.remap(_blur(picture, 1.2 * scale), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    lit = cv2.add(bent, glint, dtype=cv2.CV_8U)
    return _laid_over(wet, lit, share)


@lru_cache(maxsize=8)
def _dirt_mask(seed: int, width: int, height: int, step: int) -> Plane:
    magnitude, scale = step / STEPS, height / 360
    rng = generator(seed, "dirt")
    mask = np.zeros((height, width), np.float32)
    for _ in range(int(3 + 22 * magnitude)):
        middle = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
        axes = (int(rng.uniform(8, 46) * scale), int(rng.uniform(8, 46) * scale))
        cv2.ellipse(mask, middle, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1, cv2.LINE_AA)
    return _share(np.minimum(_blur(mask, 9 * scale) * 0.95, 0.93))


def _dirt(picture: Image, magnitude: float, seed: int) -> Image:
    return _laid_over(picture, MUD, _dirt_mask(seed, picture.shape[1], picture.shape[0], round(magnitude * STEPS)))


@lru_cache(maxsize=8)
def _web_masks(seed: int, width: int, height: int, step: int) -> tuple[Plane, Plane]:
    """Silk and spider."""
    magnitude, scale = step / STEPS, height / 360
    rng = generator(seed, "web")
    silk, spider = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    middle = np.array([width * rng.uniform(0.3, 0.7), height * rng.uniform(0.25, 0.6)])
    spokes = np.sort(rng.uniform(0, 2 * math.pi, 15))
    ways = np.stack([np.cos(spokes), np.sin(spokes)], 1)
    for way in ways:
        cv2.line(silk, _pixel(middle), _pixel(middle + 700 * scale * way), 0.55, 1, cv2.LINE_AA)
    for ring in range(1, int(4 + 16 * magnitude)):
        slack = rng.uniform(0.92, 1.08, (15, 1))
        cv2.polylines(silk, [(middle + ring * 17 * scale * slack * ways).astype(np.int32)], True, 0.5, 1, cv2.LINE_AA)
    cv2.circle(spider, _pixel(middle + np.array([30, 20]) * scale), int((20 + 34 * magnitude) * scale), 1.0, -1)
    return _share(np.minimum(_blur(silk, 1.6 * scale) * 1.6, 0.7)), _share(_blur(spider, 9 * scale) * 0.9)


def _pixel(point: np.ndarray) -> tuple[int, int]:
    return int(point[0]), int(point[1])


def _web(picture: Image, magnitude: float, seed: int) -> Image:
    silk, spider = _web_masks(seed, picture.shape[1], picture.shape[0], round(magnitude * STEPS))
    return _laid_over(_laid_over(picture, SILK, silk), SPIDER, spider)


def _defocus(picture: Image, magnitude: float, seed: int) -> Image:  # noqa: ARG001
    return _blur(picture, (0.4 + 4.6 * magnitude) * picture.shape[0] / 360)


def _covered(picture: Image, magnitude: float, seed: int) -> Image:  # noqa: ARG001
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (width // 8, height // 8), interpolation=cv2.INTER_AREA)
    soft = cv2.resize(_blur(small, 3 * height / 360), (width, height), interpolation=cv2.INTER_LINEAR)
    hidden = cv2.addWeighted(picture, 1 - magnitude, soft, magnitude, 0)
    dark = cv2.convertScaleAbs(hidden, alpha=1 - 0.93 * magnitude)
    return np.asarray(cv2.add(dark, np.full_like(dark, np.round(HAND * magnitude))))


KINDS = (
    Kind("rain", ActsOn.LENS, "rain drops on the lens", "1: 150 drops", picture=_rain),
    Kind("dirt", ActsOn.LENS, "mud on the lens", "1: 25 spots", picture=_dirt),
    Kind("web", ActsOn.LENS, "a spider and its web before the lens", "1: 19 rings", picture=_web),
    Kind("defocus", ActsOn.LENS, "the lens loses its focus", "1: blur of 5 px (at 360 px height)", picture=_defocus),
    Kind("covered", ActsOn.LENS, "something covers the lens", "1: nothing is seen", picture=_covered),
)
