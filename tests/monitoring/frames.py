"""Frames of a quiet camera, and of one that changes."""

import numpy as np

from cvops_monitoring.stream.frames import Frames


def quiet_frames(
    rng: np.random.Generator,
    n: int,
    begin_s: float = 1.7e9,
    *,
    dims: int = 32,
    shift: float = 0.0,
    brighter: float = 0.0,
    rates: tuple[float, ...] = (1.5, 0.3, 0.0),
) -> Frames:
    """`n` frames, one a second; `shift` moves each dimension of the embedding, `brighter` the brightness."""
    noise = rng.standard_normal((n, 13))
    middle = np.array([640, 480, 4 / 3, 640 * 480, 120 + brighter, 50, 0.8, 90, 0.02, 7, 0, 0, 0.015])
    spread = np.array([0, 0, 0, 0, 5, 1, 0.02, 4, 0.001, 0.05, 1, 1, 0.001])
    counts = np.stack([rng.poisson(rate, n) for rate in rates], 1)
    confidence = np.where(counts.sum(1) > 0, rng.beta(8, 2, n), np.nan)
    return Frames(
        time_s=begin_s + np.arange(n, dtype=np.float64),
        embedding=(rng.standard_normal((n, dims)) + shift).astype(np.float16).astype(np.float32),
        novelty=rng.gamma(2, 1, n),
        inputs=middle + spread * noise,
        counts=counts.astype(np.int64),
        confidence=confidence,
        ids=tuple(f"frame-{begin_s:.0f}-{i}" for i in range(n)),
    )
