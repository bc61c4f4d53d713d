"""The alarm for embeddings: a bank of exponentially weighted averages at three speeds.

Null: frames come from the distribution of the reference, correlated in time as the reference is. Ten statistics: the
mean, the second moment of each dimension and the Mahalanobis distance, each at rates 1/16, 1/128 and 1/1024, and the
covariance (U-statistic) at 1/128. Fast rates find large changes within frames, slow ones find small changes within an
hour. Each has its own threshold from a block bootstrap of the reference, in which the error of the reference itself is
included. MEWMA: Lowry et al. 1992; the second moments and the covariance make changes of spread and correlation
visible, that a comparison of means, or of single dimensions, misses for ever.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from cvops_monitoring.arrays import F32, F64, I64, FloatArray
from cvops_monitoring.errors import TooFewFrames
from cvops_monitoring.sequential.bootstrap import block_indices, block_length, cautious, correlation_time
from cvops_monitoring.sequential.thresholds import gumbel_threshold, independent_looks, pearson_threshold
from cvops_monitoring.whitening import Whitening, fit_whitening

RATES: Final = (1 / 16, 1 / 128, 1 / 1024)
COVARIANCE_RATE: Final = 1 / 128
GRID: Final = 8
"""Frames that are taken together; statistics are looked at after each such step."""
MIN_EFFECTIVE: Final = 20

STATISTICS: Final = (
    *(f"mean@{round(1 / rate)}" for rate in RATES),
    *(f"second_moment@{round(1 / rate)}" for rate in RATES),
    *(f"distance@{round(1 / rate)}" for rate in RATES),
    f"covariance@{round(1 / COVARIANCE_RATE)}",
)
_N = len(STATISTICS)
_DISTANCE = slice(6, 9)
_RATES = np.array(RATES)
_COVARIANCE_FROM = 64
_STREAMS, _STREAM_LENGTH = 32, 8192
_SETTLED = 1536


def _weights(rate: float) -> F64:
    """How much each frame of a step counts in an average after the step."""
    return np.asarray(rate * (1 - rate) ** np.arange(GRID - 1, -1, -1))


def step_weights() -> tuple[F32, F32]:
    """Weights (3, GRID) of the frames of a step and decay (3, 1) of what was before, for the three rates."""
    return _STEP_WEIGHTS, _STEP_DECAY


def zero_unsettled(values: F64, frames: int) -> None:
    """Makes 0 what is not worth looking at yet: averages younger than half their length; `values` (N, 3 rates, ...)."""
    if frames < _SETTLES[-1]:
        values[:, frames < _SETTLES] = 0


_SETTLES = 0.5 / _RATES
_LOOKS = np.array([independent_looks(rate, GRID) for rate in (*RATES * 3, COVARIANCE_RATE)])
_STEP_WEIGHTS = np.stack([_weights(rate) for rate in RATES]).astype(np.float32)
_STEP_DECAY = ((1 - _RATES) ** GRID).astype(np.float32)[:, None]
_COVARIANCE_WEIGHTS = _weights(COVARIANCE_RATE).astype(np.float32)
_COVARIANCE_DECAY = np.float32((1 - COVARIANCE_RATE) ** GRID)
_SELF_WEIGHTS = _COVARIANCE_WEIGHTS**2
_SELF_DECAY = np.float32((1 - COVARIANCE_RATE) ** (2 * GRID))


@dataclass(frozen=True, slots=True)
class BankReference:
    """What a bank compares with; made by `calibrate`.

    Attributes:
        whitening: of the embeddings, D -> d.
        feature_mean: of (y, y^2, sum y^2), float32 (2d + 1,); feature_sd: likewise.
        second_moment: mean of y y^T, float32 (d, d).
        n_effective: independent frames that the reference is worth.
        centre: mean of each statistic without change, float64 (10,).
        spread: its standard deviation.
        thresholds: in units of spread above the centre, float64 (10,).
        held_out: indices of the reference's frames that the whitening was not fitted to, int64.
        arl: frames to a false alarm of the whole bank that the thresholds stand for.
    """

    whitening: Whitening
    feature_mean: F32
    feature_sd: F32
    second_moment: F32
    n_effective: float
    centre: F64
    spread: F64
    thresholds: F64
    held_out: I64
    arl: float


class EwmaBank:
    """The running averages of one stream. Feed it `GRID` frames at a time."""

    __slots__ = ("_covariance", "_covariance_value", "_reference", "_self", "_z", "frames")

    def __init__(self, reference: BankReference) -> None:
        d = len(reference.second_moment)
        self._reference = reference
        self._z = np.zeros((3, 2 * d + 1), np.float32)
        self._covariance = np.zeros((d, d), np.float32)
        self._self = np.float32(0)
        self._covariance_value = 0.0
        self.frames = 0

    def push(self, x: FloatArray) -> F64:
        """Takes embeddings (GRID, D); the excess over the threshold of each statistic, in spreads: > 0 alarms.

        Raises:
            WrongShape: of another dimension than the reference.
        """
        return self.push_whitened(self._reference.whitening(x))

    def push_whitened(self, y: F32) -> F64:
        """As `push`, of whitened embeddings float32 (GRID, d)."""
        reference = self._reference
        z = (_features(y) - reference.feature_mean) / reference.feature_sd
        self._z *= _STEP_DECAY
        self._z += _STEP_WEIGHTS @ z
        self._covariance *= _COVARIANCE_DECAY
        self._covariance += (y * _COVARIANCE_WEIGHTS[:, None]).T @ y
        self._self = _SELF_DECAY * self._self + _SELF_WEIGHTS @ np.square(np.square(y).sum(1))
        self.frames += GRID
        if self.frames >= _COVARIANCE_FROM:
            self._covariance_value = float(
                _covariance_distance(self._covariance, self._self, reference.second_moment, self.frames)
            )
        values = _statistics(self._z[:, None], np.array([self._covariance_value]), self.frames, reference.n_effective)
        return _standard(values, reference.centre, reference.spread)[:, 0] - reference.thresholds

    def restart_slow(self) -> None:
        """Forgets the slow averages, after a change has passed."""
        self._z[2] = 0

    def to_state(self) -> dict[str, object]:
        """Everything that is needed to go on, as plain values."""
        return {
            "z": self._z.tobytes(),
            "covariance": self._covariance.tobytes(),
            "self": float(self._self),
            "value": self._covariance_value,
            "frames": self.frames,
        }

    @classmethod
    def from_state(cls, reference: BankReference, state: dict[str, object]) -> "EwmaBank":
        """The bank that `to_state` described; it goes on bit for bit."""
        bank = cls(reference)
        bank._z = _array(state["z"], bank._z)
        bank._covariance = _array(state["covariance"], bank._covariance)
        bank._self = np.float32(state["self"])  # type: ignore[arg-type]
        bank._covariance_value = float(state["value"])  # type: ignore[arg-type]
        bank.frames = int(state["frames"])  # type: ignore[call-overload]
        return bank


def calibrate(
    x_ref: FloatArray, arl: float, rng: np.random.Generator, *, max_dims: int = 128, block: int | None = None
) -> BankReference:
    """A reference whose mean time to a false alarm, over all ten statistics, is about `arl` frames.

    One half of the reference makes the whitening, the other half, which the whitening has not seen, the thresholds.

    Args:
        x_ref: embeddings, float (N, D), in time order.
        arl: wished average run length without change, in frames.
        rng: where chance comes from.
        max_dims: whitened features at most; fewer when the reference is small.
        block: frames of a bootstrap block; None: ten correlation times of the reference.

    Raises:
        TooFewFrames: the reference is worth less than 20 independent frames.
    """
    n = len(x_ref)
    time = correlation_time(_strongest(x_ref))
    if n / time < MIN_EFFECTIVE:
        raise TooFewFrames(
            f"{n} frames with a correlation time of {time:.0f} frames are worth {n / time:.0f} independent ones, "
            f"expected {MIN_EFFECTIVE}: collect {int(MIN_EFFECTIVE * time) + 1} frames"
        )
    block = block or block_length(time, n)
    first, second = _halves(n, block, rng)
    whitening = fit_whitening(x_ref[first], _dims(n / time, min(max_dims, x_ref.shape[1])))
    y = whitening(x_ref[second])
    time = max(1.0, correlation_time(y)) if block > 1 else 1.0
    n_effective = len(y) / time
    features = _features(y)
    feature_sd = np.maximum(features.std(0), 1e-6)
    second_moment = (y.T @ y / len(y)).astype(np.float32)
    values = _artificial(y, features, block, n_effective, rng)
    settled = values[min(_SETTLED, _STREAM_LENGTH // 4) // GRID :]
    centre, spread = settled.mean((0, 2)), np.maximum(settled.std((0, 2)), 1e-6)
    each_arl = cautious(arl, block) * _N
    maxima = gumbel_threshold(_standard(values, centre, spread).max(0), _STREAM_LENGTH, each_arl)
    bulk = _standard(_bulk_heights(settled, each_arl)[:, None], centre, spread)[:, 0]
    thresholds = np.maximum(maxima, bulk)
    return BankReference(
        whitening, features.mean(0), feature_sd, second_moment, n_effective, centre, spread, thresholds, second, arl
    )


def _dims(n_effective: float, most: int) -> int:
    """A covariance needs several independent frames per dimension."""
    return int(max(2, min(most, n_effective / 10)))


def _strongest(x: FloatArray, columns: int = 16) -> FloatArray:
    """The columns that vary most stand for all when time is measured."""
    return x if x.shape[1] <= columns else x[:, np.argsort(x.var(0))[-columns:]]


def _halves(n: int, block: int, rng: np.random.Generator) -> tuple[I64, I64]:
    """Two halves of a reference, by blocks, each in time order."""
    blocks = rng.permutation(n // block)
    half = len(blocks) // 2

    def frames(chosen: I64) -> I64:
        return np.asarray((np.sort(chosen)[:, None] * block + np.arange(block)).ravel(), np.int64)

    return frames(blocks[:half]), frames(blocks[half:])


def _bulk_heights(values: F64, arl: float) -> F64:
    """Heights by the bulk of the values (steps, 10, streams); of the distance, a modulus, by its square."""
    squared = values.copy()
    squared[:, _DISTANCE] **= 2
    heights = pearson_threshold(squared, _LOOKS, arl)
    heights[_DISTANCE] **= 0.5
    return heights


def _features(y: F32) -> F32:
    squares = np.square(y)
    return np.concatenate([y, squares, squares.sum(-1, keepdims=True)], -1)


def _statistics(z: F32, covariance: FloatArray, frames: int, n_effective: float) -> F64:
    """The ten statistics (10, S) of averages z (3, S, 2d + 1) after `frames` frames; those not yet settled are 0."""
    d = (z.shape[-1] - 1) // 2
    scale = _RATES / (2 - _RATES) * (1 - (1 - _RATES) ** (2 * frames)) + 1 / n_effective
    out = np.empty((_N, z.shape[1]))
    squares = np.square(z)
    out[0:3] = squares[..., :d].sum(-1) / (scale * d)[:, None]
    out[3:6] = squares[..., d : 2 * d].sum(-1) / (scale * d)[:, None]
    out[6:9] = np.sqrt(squares[..., 2 * d] / scale[:, None])
    out[9] = covariance
    zero_unsettled(out[:9].reshape(3, 3, -1), frames)
    return out


def _standard(values: F64, centre: F64, spread: F64) -> F64:
    """In spreads above the centre; what is not settled yet (0) is far below."""
    excess = (values - centre[:, None]) / spread[:, None]
    return np.where(values == 0, -1e9, excess)


def _covariance_distance(k: F32, self_terms: FloatArray | np.float32, second_moment: F32, frames: int) -> FloatArray:
    """Squared Frobenius distance of weighted second moments k (..., d, d) to the reference, without the self terms.

    Scaled so that it varies as much after few frames as after many.
    """
    total = 1 - (1 - COVARIANCE_RATE) ** frames
    error = k - np.float32(total) * second_moment
    distance = np.square(error).sum((-1, -2)) - self_terms
    return np.asarray(distance / (1 - (1 - COVARIANCE_RATE) ** (2 * frames)))


def _artificial(y: F32, features: F32, block: int, n_effective: float, rng: np.random.Generator) -> F64:
    """The statistics (steps, 10, streams) of streams without change, each against a resampled reference."""
    n, d = y.shape
    means, sds, moments = _resampled_references(y, features, block, rng)
    indices = block_indices(n, block, _STREAM_LENGTH, rng, _STREAMS)
    z = np.zeros((3, _STREAMS, features.shape[1]), np.float32)
    k = np.zeros((_STREAMS, d, d), np.float32)
    own: FloatArray = np.zeros(_STREAMS, np.float32)
    value: FloatArray = np.zeros(_STREAMS)
    out = np.empty((_STREAM_LENGTH // GRID, _N, _STREAMS))
    norms = np.square(features[:, -1])
    for step in range(len(out)):
        now = indices[:, step * GRID : (step + 1) * GRID]
        frames = (step + 1) * GRID
        standard = (features[now] - means[:, None]) / sds[:, None]
        z *= _STEP_DECAY[:, :, None]
        z += np.einsum("rg,sgf->rsf", _STEP_WEIGHTS, standard)
        rows = y[now]
        k *= _COVARIANCE_DECAY
        k += np.matmul((rows * _COVARIANCE_WEIGHTS[:, None]).transpose(0, 2, 1), rows)
        own = _SELF_DECAY * own + norms[now] @ _SELF_WEIGHTS
        if frames >= _COVARIANCE_FROM:
            value = _covariance_distance(k, own, moments, frames)
        out[step] = _statistics(z, value, frames, n_effective)
    return out


def _resampled_references(y: F32, features: F32, block: int, rng: np.random.Generator) -> tuple[F32, F32, F32]:
    n, d = y.shape
    means = np.empty((_STREAMS, features.shape[1]), np.float32)
    sds = np.empty_like(means)
    moments = np.empty((_STREAMS, d, d), np.float32)
    for stream, chosen in enumerate(block_indices(n, block, n, rng, _STREAMS)):
        means[stream] = features[chosen].mean(0)
        sds[stream] = np.maximum(features[chosen].std(0), 1e-6)
        moments[stream] = y[chosen].T @ y[chosen] / n
    return means, sds, moments


def _array(data: object, like: F32) -> F32:
    return np.frombuffer(data, np.float32).reshape(like.shape).copy()  # type: ignore[call-overload, no-any-return]
