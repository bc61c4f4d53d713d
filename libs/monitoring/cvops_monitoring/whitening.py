"""Whitening: features without correlation and of unit variance, the strongest directions first."""

from dataclasses import dataclass

import numpy as np

from cvops_monitoring.arrays import F32, FloatArray
from cvops_monitoring.errors import WrongShape

SHRINKAGE = 0.05
_CLIP = 6.0


@dataclass(frozen=True, slots=True)
class Whitening:
    """A linear map to uncorrelated features.

    Attributes:
        mean: float32 (D,).
        axes: float32 (D, d): principal directions, each divided by its standard deviation.
    """

    mean: F32
    axes: F32

    def __call__(self, x: FloatArray) -> F32:
        """Whitened features float32 (N, d) of x (N, D), clipped at 6 standard deviations so that no frame is too loud.

        Raises:
            WrongShape: x has not the D columns of the reference.
        """
        if x.ndim != 2 or x.shape[1] != len(self.mean):
            raise WrongShape(f"features have shape {x.shape}, expected (N, {len(self.mean)}) as in the reference")
        y = (x.astype(np.float32) - self.mean) @ self.axes
        return np.asarray(np.clip(y, -_CLIP, _CLIP, out=y), np.float32)


def fit_whitening(x_ref: FloatArray, dims: int) -> Whitening:
    """The whitening of a reference (N, D) into at most `dims` features; 5 % shrinkage to a sphere keeps it stable."""
    x = np.asarray(x_ref, np.float64)
    return whitening_of(x.mean(0), np.atleast_2d(np.cov(x.T)), dims)


def whitening_of(mean: FloatArray, covariance: FloatArray, dims: int) -> Whitening:
    """The whitening by a mean (D,) and a covariance (D, D) that are known, likewise."""
    n_features = len(mean)
    level = max(float(np.trace(covariance)) / n_features, 1e-12)
    covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * level * np.eye(n_features)
    variances, directions = np.linalg.eigh(covariance)
    strongest = np.argsort(variances)[::-1][: min(dims, n_features)]
    axes = directions[:, strongest] / np.sqrt(variances[strongest])
    # One layout in memory, so that a restored one multiplies bit for bit alike.
    return Whitening(mean.astype(np.float32), np.ascontiguousarray(axes, np.float32))
