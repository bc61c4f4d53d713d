"""Maximum mean discrepancy: how unlike two samples are in any respect, not in their means alone.

The squared, unbiased estimate with a Gaussian kernel as wide as the median distance (Gretton et al. 2012); it is 0 on
average when both come from one law. Null of `mmd_test`: one law, correlated in time over at most a block. Frames are
exchanged between the samples in blocks, which keeps the correlation inside a block; exchanged one by one, frames of
video alarm in most windows without any change.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cvops_monitoring.arrays import F64, FloatArray
from cvops_monitoring.errors import TooFewFrames
from cvops_monitoring.sequential.bootstrap import correlation_time

_LEAST_BLOCKS = 5
"""Of each sample: 252 ways to exchange them at the least, so that p can fall below .01."""
_UNCORRELATED = 1.25


@dataclass(frozen=True, slots=True)
class MmdResult:
    """A test.

    Attributes:
        statistic: squared discrepancy, unbiased: 0 on average without change, at most about 2.
        p_value: share of exchanged samples as unlike, never 0.
        block: frames that were exchanged together.
    """

    statistic: float
    p_value: float
    block: int


def each_against_rest(groups: Sequence[FloatArray]) -> F64:
    """The squared discrepancy of each group (n_i, D) to all others together, float64 (groups,).

    Two groups at least, of two frames at least; quadratic in the number of all frames.
    """
    sizes = np.array([len(group) for group in groups])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    kernel = _kernel(np.concatenate(list(groups)))
    sums = np.add.reduceat(np.add.reduceat(kernel, starts, 0), starts, 1)
    own, beside = np.diag(sums), sums.sum(1) - np.diag(sums)
    rest, total = sizes.sum() - sizes, sums.sum()
    within_rest = total - own - 2 * beside
    return np.asarray(
        (own - sizes) / (sizes * (sizes - 1)) + (within_rest - rest) / (rest * (rest - 1)) - 2 * beside / (sizes * rest)
    )


def mmd_test(
    x_ref: FloatArray, x: FloatArray, rng: np.random.Generator, *, block: int | None = None, draws: int = 999
) -> MmdResult:
    """Tests two samples, both in time order.

    Args:
        x_ref: float (N, D).
        x: float (n, D).
        rng: where chance comes from.
        block: frames that are exchanged together; None: four correlation times.
        draws: exchanges; the p-value is no smaller than 1 / (draws + 1).

    Raises:
        TooFewFrames: a sample has fewer than 5 blocks.
    """
    if block is None:
        time = max(correlation_time(x_ref), correlation_time(x))
        block = 1 if time < _UNCORRELATED else int(np.ceil(4 * time))
    here, there = len(x_ref) // block, len(x) // block
    if min(here, there) < _LEAST_BLOCKS:
        raise TooFewFrames(f"samples have {here} and {there} blocks of {block} frames, expected {_LEAST_BLOCKS}")
    pooled = np.concatenate([x_ref[: here * block], x[: there * block]])
    orders = np.stack([np.arange(here + there), *(rng.permutation(here + there) for _ in range(draws))])
    values = _discrepancies(_blocks(_kernel(pooled), block), orders, here, block)
    as_unlike = int((values[1:] >= values[0] - 1e-12).sum())
    return MmdResult(float(values[0]), (1 + as_unlike) / (1 + draws), block)


def _kernel(x: FloatArray) -> F64:
    """Gaussian kernel (N, N) as wide as the median distance."""
    values = np.asarray(x, np.float64)
    squares = np.square(values).sum(1)
    distances = np.maximum(squares[:, None] + squares[None] - 2 * values @ values.T, 0)
    width = float(np.median(distances[np.triu_indices(len(x), 1)])) or 1.0
    return np.asarray(np.exp(-distances / width))


def _blocks(kernel: F64, block: int) -> F64:
    """Sums of the kernel over pairs of blocks."""
    count = len(kernel) // block
    return np.asarray(kernel.reshape(count, block, count, block).sum((1, 3)))


def _discrepancies(kernel: F64, orders: np.ndarray, first: int, block: int = 1) -> F64:
    """Of each order (K, units): the first `first` units against the rest. A unit's own pairs are its diagonal."""
    units = len(kernel)
    n, m = first * block, (units - first) * block
    mine = np.zeros(orders.shape)
    np.put_along_axis(mine, orders[:, :first], 1.0, 1)
    rest = 1 - mine
    within = ((mine @ kernel) * mine).sum(1), ((rest @ kernel) * rest).sum(1)
    between = ((mine @ kernel) * rest).sum(1)
    # A frame is like itself, which says nothing of its sample: k(x, x) is 1 for a Gaussian kernel.
    return np.asarray((within[0] - n) / (n * (n - 1)) + (within[1] - m) / (m * (m - 1)) - 2 * between / (n * m))
