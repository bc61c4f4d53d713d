"""The alarm for scalars (brightness, sharpness, inference time, ...): each is tested by itself.

Null: each scalar is distributed as in the reference, correlated in time as it is there. On the rank score of each
scalar run the mean and the mean modulus (spread) at rates 1/16, 1/128 and 1/1024, with thresholds from a block
bootstrap.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from cvops_monitoring.arrays import F32, F64, FloatArray
from cvops_monitoring.errors import WrongShape
from cvops_monitoring.sequential.bootstrap import block_indices, cautious, correlation_time
from cvops_monitoring.sequential.ewma_bank import GRID, RATES, step_weights, zero_unsettled
from cvops_monitoring.sequential.rank_scores import RankScores, fit_rank_scores
from cvops_monitoring.sequential.thresholds import gumbel_threshold, independent_looks, pearson_threshold

STATISTICS: Final = tuple(f"{moment}@{round(1 / rate)}" for moment in ("mean", "spread") for rate in RATES)
_RATES = np.array(RATES)
_STREAMS, _STREAM_LENGTH, _SETTLED = 32, 8192, 1536
_LEAST_SD = 0.6
_FLOOR = 4.5
"""Standard errors below which nothing alarms: one odd frame of a scalar that was constant is no change."""


@dataclass(frozen=True, slots=True)
class ScalarReference:
    """What scalars are compared with; made by `calibrate_scalars`.

    Attributes:
        scores: K scalars to rank scores.
        feature_mean: of (score, |score|), float32 (2, K); feature_sd: likewise.
        n_effective: independent frames that the reference is worth, float64 (K,).
        thresholds: of the statistics, float64 (6, K), in standard errors.
        centre: median of the statistics without change, float64 (6, K).
    """

    scores: RankScores
    feature_mean: F32
    feature_sd: F32
    n_effective: F64
    thresholds: F64
    centre: F64


class ScalarBank:
    """The running averages of K scalars of one stream. Feed it `GRID` frames at a time."""

    __slots__ = ("_reference", "_z", "frames", "values")

    def __init__(self, reference: ScalarReference) -> None:
        self._reference = reference
        self._z = np.zeros((3, 2, len(reference.n_effective)), np.float32)
        self.values: F64 = np.zeros((6, len(reference.n_effective)))
        self.frames = 0

    def push(self, x: FloatArray) -> F64:
        """Takes scalars (GRID, K); statistic / threshold, float64 (6, K): above 1 alarms.

        Raises:
            WrongShape: another number of scalars than the reference has.
        """
        reference = self._reference
        if x.shape != (GRID, len(reference.n_effective)):
            raise WrongShape(f"scalars have shape {x.shape}, expected ({GRID}, {len(reference.n_effective)})")
        weights, decay = step_weights()
        standard = (_features(reference.scores(x)) - reference.feature_mean) / reference.feature_sd
        standard *= np.isfinite(x)[:, None]
        self._z *= decay[:, :, None]
        self._z += (weights @ standard.reshape(GRID, -1)).reshape(self._z.shape)
        self.frames += GRID
        self.values = _statistics(self._z, self.frames, reference.n_effective)
        return self.values / reference.thresholds

    def restart_slow(self, scalar: int) -> None:
        """Forgets the slow averages of one scalar, after a change has passed."""
        self._z[2, :, scalar] = 0

    def to_state(self) -> dict[str, object]:
        """Everything that is needed to go on, as plain values."""
        return {"z": self._z.tobytes(), "frames": self.frames}

    @classmethod
    def from_state(cls, reference: ScalarReference, state: dict[str, object]) -> "ScalarBank":
        """The bank that `to_state` described."""
        bank = cls(reference)
        bank._z = np.frombuffer(state["z"], np.float32).reshape(bank._z.shape).copy()  # type: ignore[call-overload]
        bank.frames = int(state["frames"])  # type: ignore[call-overload]
        return bank


def calibrate_scalars(x_ref: FloatArray, arl: float, block: int, rng: np.random.Generator) -> ScalarReference:
    """A reference whose mean time to a false alarm, over all scalars, is about `arl` frames.

    Args:
        x_ref: float (N, K), in time order; NaN where a scalar is not known.
        arl: wished average run length without change, in frames.
        block: frames of a bootstrap block.
        rng: where chance comes from.
    """
    scores = fit_rank_scores(x_ref)
    y = scores(x_ref)
    n, k = y.shape
    features = _features(y)
    known = np.isfinite(x_ref)[:, None]
    shares = np.maximum(known.mean(0), 1e-9)
    mean = (np.where(known, features, 0).mean(0) / shares).astype(np.float32)
    features = np.where(known, features, mean)
    sd = np.maximum(features.std(0), _LEAST_SD)
    times = np.array([correlation_time(y[:, [column]]) for column in range(k)]) if block > 1 else np.ones(k)
    n_effective = n / times
    values = _artificial(features, block, n_effective, rng)
    settled = values[_SETTLED // GRID :]
    each_arl = cautious(arl, block) * len(STATISTICS) * k
    looks = np.repeat(np.tile([independent_looks(rate, GRID) for rate in RATES], 2), k)
    bulk = np.sqrt(pearson_threshold(np.square(settled).reshape(len(settled), -1, _STREAMS), looks, each_arl))
    thresholds = np.maximum(gumbel_threshold(values.max(0), _STREAM_LENGTH, each_arl), bulk.reshape(-1, k))
    thresholds = np.maximum(thresholds, _FLOOR)
    centre = np.median(settled, (0, 3))
    return ScalarReference(scores, mean, sd, n_effective, thresholds, centre)


def _features(y: F32) -> F32:
    """Scores (..., K) with their moduli: (..., 2, K)."""
    return np.stack([y, np.abs(y)], -2)


def _statistics(z: F32, frames: int, n_effective: F64) -> F64:
    """|average| in standard errors, float64 (6, K, ...) of averages z (3, 2, K, ...); 0 while not settled."""
    scale = (_RATES / (2 - _RATES) * (1 - (1 - _RATES) ** (2 * frames)))[:, None] + 1 / n_effective
    scale = scale.reshape(scale.shape + (1,) * (z.ndim - 3))
    out = np.abs(z).swapaxes(0, 1) / np.sqrt(scale)
    zero_unsettled(out, frames)
    return np.asarray(out.reshape(6, *z.shape[2:]), np.float64)


def _artificial(features: F32, block: int, n_effective: F64, rng: np.random.Generator) -> F64:
    """The statistics (steps, 6, K, streams) of streams without change, each against a resampled reference."""
    n, _, k = features.shape
    resampled = [features[chosen] for chosen in block_indices(n, block, n, rng, _STREAMS)]
    means = np.stack([each.mean(0) for each in resampled], -1)
    sds = np.stack([np.maximum(each.std(0), _LEAST_SD) for each in resampled], -1)
    indices = block_indices(n, block, _STREAM_LENGTH, rng, _STREAMS)
    weights, decay = step_weights()
    z = np.zeros((3, 2, k, _STREAMS), np.float32)
    out = np.empty((_STREAM_LENGTH // GRID, 6, k, _STREAMS), np.float32)
    for step in range(len(out)):
        now = indices[:, step * GRID : (step + 1) * GRID].T
        standard = (features[now].transpose(0, 2, 3, 1) - means) / sds
        z *= decay[:, :, None, None]
        z += np.tensordot(weights, standard, 1)
        out[step] = _statistics(z, (step + 1) * GRID, n_effective)
    return np.asarray(out, np.float64)
