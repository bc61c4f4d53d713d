"""Cameras that differ as cameras do: each has a place of its own, and its frames resemble their neighbours."""

import numpy as np
from scipy.signal import lfilter

from cvops_monitoring.domain.signature import Signature


def correlated(rng: np.random.Generator, n: int, dims: int, rho: float) -> np.ndarray:
    """AR(1) frames float64 (n, dims) of unit variance, stationary from the first."""
    noise = rng.standard_normal((n, dims)) * np.sqrt(1 - rho**2)
    noise[0] /= np.sqrt(1 - rho**2)
    return np.asarray(lfilter([1.0], [1.0, -rho], noise, axis=0))


def camera(
    rng: np.random.Generator, *, n: int = 64, dims: int = 24, rho: float = 0.8, apart: float = 3.0, shift: float = 0.0
) -> Signature:
    """A camera whose place is `apart` standard deviations from the others'; `shift` moves each feature besides."""
    place = rng.standard_normal(dims) * apart + shift
    frames = place + correlated(rng, n, dims, rho)
    named = {"brightness": 120 + 10 * rng.standard_normal() + 10 * shift, "sharpness": 0.02}
    return Signature(frames.astype(np.float32), frames.mean(0).astype(np.float32), named)
