"""Smooth random fields that tile without a seam: the grain of asphalt, grass, clouds and leaves."""

from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from cvops_sim.arrays import Plane
from cvops_sim.rng import generator

SIDE = 512
OCTAVES = ((4, 1.0), (8, 0.5), (16, 0.25), (32, 0.13), (64, 0.07), (128, 0.04))


@lru_cache(maxsize=1)
def fractal() -> Plane:
    """Fractal noise, float32 (512, 512), 0 to 1, periodic."""
    rng = generator("fractal noise")
    total = np.zeros((SIDE, SIDE), np.float32)
    for cells, weight in OCTAVES:
        corners = np.pad(rng.random((cells, cells), dtype=np.float32), ((0, 2), (0, 2)), mode="wrap")
        steps = np.arange(SIDE, dtype=np.float32) * cells / SIDE
        columns, rows = np.meshgrid(steps, steps)
        total += weight * cv2.remap(corners, columns, rows, cv2.INTER_LINEAR)
    total -= total.min()
    return np.asarray(total / total.max())


@lru_cache(maxsize=1)
def grain() -> Plane:
    """Fine grain of mean 0 and deviation 1, float32 (512, 512), periodic."""
    raw = np.pad(generator("grain").random((SIDE, SIDE), dtype=np.float32), 8, mode="wrap")
    soft = np.ascontiguousarray(cv2.GaussianBlur(raw, (0, 0), 0.8)[8:-8, 8:-8])
    return np.asarray((soft - soft.mean()) / soft.std())


@lru_cache(maxsize=2)
def _wrapped(name: str) -> Plane:
    field = fractal() if name == "fractal" else grain()
    return np.pad(field, ((0, 1), (0, 1)), mode="wrap")


def sample(name: str, u: Any, v: Any) -> Plane:
    """The field "fractal" or "grain" at the texel coordinates `u`, `v` (any real numbers), bilinear."""
    columns = np.mod(u, SIDE).astype(np.float32)
    rows = np.mod(v, SIDE).astype(np.float32)
    return cv2.remap(_wrapped(name), columns, rows, cv2.INTER_LINEAR)
