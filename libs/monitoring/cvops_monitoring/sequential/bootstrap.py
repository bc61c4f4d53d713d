"""Resampling a reference in blocks, and what its correlation costs.

Frames of a video resemble their neighbours. A threshold from frames drawn one by one would be too low; frames drawn in
blocks keep the correlation inside each block (moving block bootstrap, Kuensch 1989).
"""

import numpy as np

from cvops_monitoring.arrays import F64, I64, FloatArray


def block_indices(n: int, block: int, length: int, rng: np.random.Generator, streams: int = 1) -> I64:
    """Indices into a reference of `n` frames that make artificial streams of it: int64 (streams, length).

    Args:
        n: frames of the reference, in time order.
        block: frames that are drawn together, at most n.
        length: of each stream, in frames.
        rng: where chance comes from.
        streams: how many.
    """
    block = min(block, n)
    starts = rng.integers(0, n - block + 1, (streams, -(-length // block)))
    indices = starts[:, :, None] + np.arange(block)
    return np.asarray(indices.reshape(streams, -1)[:, :length], np.int64)


def correlation_time(x: FloatArray) -> float:
    """How many frames weigh as much as one independent frame: the integrated autocorrelation time, at least 1.

    The median over columns of var(block mean) * block / var, the method of batch means, with blocks of about the square
    root of N, and once more with larger blocks when the answer is not small against them.

    Args:
        x: float (N, D) in time order. Constant columns are left out.
    """
    n = len(x)
    block = max(4, int(n**0.5))
    times = _batch_means(x, block)
    if times > block / 8 and n // (4 * block) >= 8:
        times = _batch_means(x, 4 * block)
    return float(min(max(times, 1.0), n / 4))


def block_length(time: float, n: int) -> int:
    """Frames of a bootstrap block for a correlation time: ten of them, at most a tenth of the reference."""
    return 1 if time < 1.25 else int(min(max(10 * time, 8), max(n // 10, 1)))


def _batch_means(x: FloatArray, block: int) -> float:
    count = len(x) // block
    if count < 4:
        return 1.0
    cut: F64 = np.asarray(x[: count * block], np.float64)
    variance = cut.var(0)
    varying = variance > 1e-12
    if not varying.any():
        return 1.0
    means = cut[:, varying].reshape(count, block, -1).mean(1)
    inflation = block * means.var(0, ddof=1) / variance[varying]
    return float(np.median(inflation))


def cautious(arl: float, block: int) -> float:
    """The run length to calibrate for: three times the wished one when frames are correlated.

    A reference of correlated frames holds few independent excursions, so thresholds from it come out low more often
    than
    high; simulations with AR(1) frames ask for this factor.
    """
    return arl if block <= 1 else 3 * arl
