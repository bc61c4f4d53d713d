"""What an alarm looks like: now beside the reference, how large the change is, and what it is believed to cost."""

from dataclasses import dataclass

import numpy as np

from cvops_monitoring.arrays import F64
from cvops_monitoring.harm.confidence import Harm, estimated_harm
from cvops_monitoring.stream.embedding import squared_distance
from cvops_monitoring.stream.frames import INPUTS, Frames, with_classes
from cvops_monitoring.stream.reference import StreamReference
from cvops_monitoring.two_sample.divergence import Divergence, divergences
from cvops_monitoring.two_sample.domain import Separation, separation
from cvops_monitoring.two_sample.histogram import counts, quantile_edges
from cvops_monitoring.two_sample.ks import KsResult, ks_2samp

_BINS = 12
_LEAST = 16
_STRONG_AUC = 0.9
_STRONGEST = 32
_SEED, _DRAWS = 7, 400
_BRIGHTNESS, _DIMMER = INPUTS.index("brightness"), 0.9


@dataclass(frozen=True, slots=True)
class Explanation:
    """A signal now and in the reference.

    Attributes:
        before: mean of the signal in the reference.
        now: mean now.
        effect: size of the change in `unit`: "sd" of the reference; "AUC" for the embedding, .5 is none; "share" of
            frames for a class.
        unit: of the effect.
        edges: inner edges of the histogram's bins; reference: share of each bin; present: likewise, now.
        reference: shares of the bins in the reference.
        present: shares of the bins now.
        ks: two-sample test; a guide, because frames are correlated.
        psi: population stability index.
        separation: of the embeddings; None for other signals.
    """

    before: float
    now: float
    effect: float
    unit: str
    edges: F64
    reference: F64
    present: F64
    ks: KsResult
    psi: Divergence
    separation: Separation | None


def explain(reference: StreamReference, recent: Frames, signal: str, since_s: float) -> Explanation | None:
    """Explains a signal by the recent frames since `since_s` (at least 16 of them); None: it has no values."""
    recent = recent[min(int(np.searchsorted(recent.time_s, since_s)), max(0, len(recent) - _LEAST)) :]
    before, now = _values(reference, reference.sample, signal), _values(reference, recent, signal)
    before, now = before[np.isfinite(before)], now[np.isfinite(now)]
    if not len(before) or not len(now):
        return None
    edges = quantile_edges(before, _BINS)
    bins_before, bins_now = counts(before, edges), counts(now, edges)
    apart = _separation(reference, recent) if signal == "embedding" else None
    effect, unit = _effect(before, now, signal, apart)
    return Explanation(
        before=float(before.mean()),
        now=float(now.mean()),
        effect=effect,
        unit=unit,
        edges=edges,
        reference=bins_before / bins_before.sum(),
        present=bins_now / bins_now.sum(),
        ks=ks_2samp(before, now),
        psi=divergences(bins_before, bins_now, np.random.default_rng(_SEED), draws=_DRAWS).psi,
        separation=apart,
    )


def _effect(before: F64, now: F64, signal: str, apart: Separation | None) -> tuple[float, str]:
    if apart is not None:
        return apart.auc, "AUC"
    change = float(now.mean() - before.mean())
    if signal.startswith("class_rate:"):
        return change, "share"
    return change / max(float(before.std()), 1e-9 + 1e-3 * abs(float(before.mean()))), "sd"


def harm(reference: StreamReference, recent: Frames, since_s: float, *, trusted: bool) -> Harm | None:
    """What the frames since `since_s` are believed to cost, by the model's own confidence.

    `trusted`: its scores are calibrated, and the data have not changed so much that they count little.
    """
    now = recent.confidence[recent.time_s >= since_s]
    time = max(reference.block / 10, 1.0)
    return estimated_harm(reference.sample.confidence, now, trusted=trusted, correlation_time=time)


def is_strong(explanation: Explanation) -> bool:
    """Whether the data have changed so much that the model's own word counts little."""
    return explanation.separation is not None and explanation.separation.auc > _STRONG_AUC


def is_dimmer(reference: StreamReference, recent: Frames) -> bool:
    """Whether the recent frames are darker than any of the reference, by a tenth and more."""
    darkest = float(np.nanmin(reference.sample.inputs[:, _BRIGHTNESS]))
    return float(np.nanmedian(recent.inputs[:, _BRIGHTNESS])) < _DIMMER * darkest


def exemplars(reference: StreamReference, recent: Frames, since_s: float, n: int = 4) -> tuple[list[str], list[str]]:
    """Ids of the `n` frames since `since_s` that are least, and most, like the reference."""
    chosen = recent[int(np.searchsorted(recent.time_s, since_s)) :]
    if not len(chosen):
        chosen = recent
    order = np.argsort(-_strangeness(reference, chosen), kind="stable")
    return [chosen.ids[i] for i in order[:n]], [chosen.ids[i] for i in order[::-1][:n]]


def _strangeness(reference: StreamReference, frames: Frames) -> F64:
    if reference.embedding is not None:
        return _values(reference, frames, "embedding")
    scores = reference.inputs.scores(reference.without_cycle(frames).inputs)
    return np.asarray(np.square(scores, dtype=np.float64).sum(1))


def _separation(reference: StreamReference, recent: Frames) -> Separation | None:
    """In the strongest whitened directions, which is where the alarm looked."""
    if len(recent) < _LEAST or reference.embedding is None:
        return None
    whitening = reference.embedding.bank.whitening
    before = whitening(reference.without_cycle(reference.sample).embedding)
    return separation(before[:, :_STRONGEST], whitening(reference.without_cycle(recent).embedding)[:, :_STRONGEST])


def _values(reference: StreamReference, frames: Frames, signal: str) -> F64:
    """The number of each frame that a signal is about, float64 (N,)."""
    if signal == "embedding":
        if reference.embedding is None:
            return np.full(len(frames), np.nan)
        return squared_distance(reference.embedding.bank.whitening(reference.without_cycle(frames).embedding))
    if signal in INPUTS:
        return np.asarray(frames.inputs[:, INPUTS.index(signal)])
    if signal.startswith("class_rate:"):
        name = signal.partition(":")[2]
        if name == "new":
            known = reference.classes.watched if reference.classes else ()
            others = np.setdiff1d(np.arange(frames.counts.shape[1]), known)
            return np.asarray((frames.counts[:, others] > 0).any(1), np.float64)
        index = int(name)
        return np.asarray(with_classes(frames, index + 1).counts[:, index] > 0, np.float64)
    if signal == "count":
        return np.asarray(frames.counts.sum(1), np.float64)
    return frames.confidence if signal == "confidence" else frames.novelty
