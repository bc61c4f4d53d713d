"""Names for the arrays of the simulator.

Colours are BGR, as OpenCV keeps them. Pixel coordinates are continuous: the pixel in column 0 covers 0 to 1, so a box
that ends at the right border of a frame 640 px wide has x2 = 640.
"""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Image: TypeAlias = npt.NDArray[Any]
"""uint8 (H, W, 3), BGR."""

Plane: TypeAlias = npt.NDArray[Any]
"""One number a pixel, (H, W), float32 unless a docstring says otherwise."""

Points: TypeAlias = npt.NDArray[Any]
"""float64 (N, 2) pixels or (N, 3) metres."""

Colour: TypeAlias = npt.NDArray[np.float32]
"""float32 (3,), BGR, 0 to 255."""


def rgb(red: float, green: float, blue: float) -> Colour:
    """A colour given the usual way round, kept as BGR."""
    return np.array([blue, green, red], np.float32)


def mix(first: Any, second: Any, share: Any) -> Any:
    """`first` where `share` is 0, `second` where it is 1; arrays broadcast as numpy does."""
    return first + (second - first) * share


def smooth_step(low: float, high: float, value: Any) -> Any:
    """0 below `low`, 1 above `high`, an S between them."""
    x = np.clip((value - low) / (high - low), 0.0, 1.0)
    return x * x * (3 - 2 * x)
