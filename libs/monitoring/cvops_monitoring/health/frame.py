"""What camera health is fed with."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvops_monitoring.arrays import F32

Grey = NDArray[np.uint8]
"""Grey picture, uint8 (H, W), 0..255."""


@dataclass(frozen=True, slots=True, eq=False)
class HealthFrame:
    """One frame of one camera, without its picture.

    Attributes:
        captured_s: by the clock of the camera, UTC seconds.
        received_s: by the clock of the platform, UTC seconds.
        sequence: number of the frame in its `stream`; a hole is a lost frame.
        stream: one run of the camera's agent; sequences of different streams do not compare.
        width: of the full upright picture, in px.
        height: likewise.
        encoding: of the picture ("jpeg", "png", ...).
        n_bytes: size of the encoded picture.
        sha256: of the encoded picture, hexadecimal.
        brightness_mean: of luma, 0..255; so are the 1st and the 99th percentile.
        saturation: mean of HSV saturation, 0..255.
        contrast: (p99 - p1) / (p99 + p1), 0..1.
        sharpness: share of the spectral energy in .12-.30 cycles/px at 320x240, 0..1.
        cast_a: mean of CIELAB a*, in dE; cast_b: of b*.
        edge_energy: mean gradient magnitude, luma per px, float32 (6, 8).
        thumbnail: uint8 (H, 320), grey, same ratio as the picture; None for most frames.
    """

    captured_s: float
    received_s: float
    sequence: int
    stream: str
    width: int
    height: int
    encoding: str
    n_bytes: int
    sha256: str
    brightness_mean: float
    brightness_p1: float
    brightness_p99: float
    saturation: float
    contrast: float
    sharpness: float
    cast_a: float
    cast_b: float
    edge_energy: F32
    thumbnail: Grey | None
