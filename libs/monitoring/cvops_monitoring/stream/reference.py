"""What a stream is compared with: everything that a warm-up teaches."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cvops_monitoring.arrays import F32, F64
from cvops_monitoring.context.time_of_day import DailyCycle, fit_daily_cycle
from cvops_monitoring.plain import from_plain
from cvops_monitoring.sequential.bernoulli import MeanBound
from cvops_monitoring.sequential.bootstrap import block_length, correlation_time
from cvops_monitoring.sequential.conformal import Conformal
from cvops_monitoring.sequential.count_cusum import CountReference, calibrate_counts
from cvops_monitoring.sequential.ewma_bank import BankReference
from cvops_monitoring.sequential.rank_scores import RankScores
from cvops_monitoring.sequential.scalar_bank import ScalarReference, calibrate_scalars
from cvops_monitoring.stream.classes import ClassReference, calibrate_classes
from cvops_monitoring.stream.embedding import EmbeddingReference, calibrate_embedding
from cvops_monitoring.stream.evidence import EvidenceReference, calibrate_evidence
from cvops_monitoring.stream.frames import Frames
from cvops_monitoring.whitening import Whitening

_SAMPLE = 512
_ENOUGH = 0.2
"""Share of frames that must have a score (confidence, novelty) for it to be watched."""
_FAMILIES = 6


@dataclass(frozen=True, slots=True)
class StreamReference:
    """A frozen reference.

    Attributes:
        frames: how many made it.
        begin_s: captured, UTC seconds, of the first; end_s: of the last.
        block: frames of a bootstrap block: ten correlation times.
        arl: frames to a false alarm of all signals together.
        spacing_s: median time between its frames, in s.
        embedding: None: the model gives none.
        embedding_cycle: what embeddings do over a day; inputs_cycle: what inputs do.
        inputs: input statistics.
        classes: class rates; None: no classes.
        counts: objects per frame; None: the model classifies.
        confidence: None: too few frames had detections.
        novelty: of the autoencoder; None: the bundle has none.
        sample: some of its frames, for explanations and pictures.
    """

    frames: int
    begin_s: float
    end_s: float
    block: int
    arl: float
    spacing_s: float
    embedding: EmbeddingReference | None
    embedding_cycle: DailyCycle
    inputs: ScalarReference
    inputs_cycle: DailyCycle
    classes: ClassReference | None
    counts: CountReference | None
    confidence: EvidenceReference | None
    novelty: EvidenceReference | None
    sample: Frames

    def without_cycle(self, frames: Frames) -> Frames:
        """The frames without what the time of day explains."""
        return replace(
            frames,
            embedding=self.embedding_cycle.remove(frames.embedding, frames.time_s),
            inputs=np.asarray(self.inputs_cycle.remove(frames.inputs, frames.time_s), np.float64),
        )


def calibrate_stream(frames: Frames, arl: float, max_dims: int, rng: np.random.Generator) -> StreamReference:
    """The reference of some frames, in time order, without change.

    Args:
        frames: of the warm-up, N of them.
        arl: wished average run length to a false alarm of all signals together, in frames.
        max_dims: whitened features of the embedding at most.
        rng: where chance comes from.

    Raises:
        TooFewFrames: their correlation leaves too few independent ones.
    """
    embedding_cycle = fit_daily_cycle(frames.embedding, frames.time_s)
    inputs_cycle = fit_daily_cycle(frames.inputs, frames.time_s)
    embedding = embedding_cycle.remove(frames.embedding, frames.time_s)
    inputs = np.asarray(inputs_cycle.remove(frames.inputs, frames.time_s), np.float64)
    block = _block(embedding, inputs)
    each = _FAMILIES * arl
    totals = frames.counts.sum(1).astype(np.float64)
    return StreamReference(
        frames=len(frames),
        begin_s=float(frames.time_s[0]),
        end_s=float(frames.time_s[-1]),
        block=block,
        arl=arl,
        spacing_s=float(np.median(np.diff(frames.time_s))),
        embedding=calibrate_embedding(embedding, each, block, max_dims, rng) if embedding.shape[1] else None,
        embedding_cycle=embedding_cycle,
        inputs=calibrate_scalars(inputs, each, block, rng),
        inputs_cycle=inputs_cycle,
        classes=calibrate_classes(frames.counts, each) if frames.counts.shape[1] else None,
        counts=calibrate_counts(totals, each, block, rng) if totals.max(initial=0) > 1 else None,
        confidence=_evidence(frames.confidence, each, block, rng),
        novelty=_evidence(frames.novelty, each, block, rng),
        sample=frames[:: max(1, len(frames) // _SAMPLE)],
    )


def reference_from_plain(value: Any) -> StreamReference:
    """The reference that `plain.to_plain` was given."""
    reference: StreamReference = from_plain(value, *_TYPES)
    return reference


def _block(embedding: F32, inputs: F64) -> int:
    varying = np.nan_to_num(inputs[:, np.isfinite(inputs).all(0)])
    times = [correlation_time(x) for x in (embedding, varying) if x.shape[1]]
    return block_length(max(times, default=1.0), len(inputs))


def _evidence(scores: F64, arl: float, block: int, rng: np.random.Generator) -> EvidenceReference | None:
    if np.isfinite(scores).mean() < _ENOUGH:
        return None
    return calibrate_evidence(scores, arl, block, rng)


_TYPES = (
    BankReference,
    ClassReference,
    Conformal,
    CountReference,
    DailyCycle,
    EmbeddingReference,
    EvidenceReference,
    Frames,
    MeanBound,
    RankScores,
    ScalarReference,
    StreamReference,
    Whitening,
)
