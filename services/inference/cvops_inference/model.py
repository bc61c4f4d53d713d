"""A model that can predict: a bundle that has proved itself, with a lane for every worker."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvops_bundles.bundle import Bundle
from cvops_bundles.detections import Detections, detections_of
from cvops_bundles.parity import prove_parity
from cvops_bundles.spec import BundleSpec, DetectionSpec
from cvops_common.telemetry import logger
from cvops_inference.lane import OUTLIER_SCORE, Lane
from cvops_inference.result import Result, Timing
from cvops_vision.letterbox import Placement

log = logger(__name__)

_TRIALS = 5
_NO_SLOWER = 0.02


@dataclass(frozen=True, eq=False)
class Model:
    """A loaded bundle. Compared by identity.

    Attributes:
        bundle: what was loaded.
        lanes: one for each worker.
        max_batch: images that a worker may take at once: with so many this machine is fastest.
    """

    bundle: Bundle
    lanes: Sequence[Lane]
    max_batch: int

    @property
    def spec(self) -> BundleSpec:
        """`bundle.json`."""
        return self.bundle.spec


def load(bundle: Bundle, workers: int, max_batch: int) -> Model:
    """Opens sessions, warms them up, proves parity and tries batches up to `max_batch`; call it from a thread: seconds.

    Raises:
        BadBundle: a graph is refused, or the outputs are not those that were recorded.
    """
    began = time.perf_counter()
    lanes = [Lane(bundle, max_batch) for _ in range(workers)]
    for lane in lanes:
        lane.run(lane.max_batch)
        lane.run(1)
    report = prove_parity(bundle, lanes[0].forward)
    report.raise_if_failed()
    batch = fastest_batch(lanes[0])
    took_s = round(time.perf_counter() - began, 2)
    log.info(
        "model loaded",
        model=bundle.spec.name,
        bundle=bundle.sha256,
        proof=report.sentence(),
        batch=batch,
        took_s=took_s,
    )
    return Model(bundle, lanes, batch)


def fastest_batch(lane: Lane) -> int:
    """The last of 1, 2, 4, ... images with which an image takes no longer than with fewer.

    Small networks gain by batches; on a CPU larger ones lose, because their activations leave the cache (YOLOX-nano:
    13.7 ms an image alone, 15.0 ms in fours).
    """
    fastest, best_s, size = 1, _per_image_s(lane, 1), 2
    while size <= lane.max_batch and (each_s := _per_image_s(lane, size)) <= best_s * (1 + _NO_SLOWER):
        fastest, best_s, size = size, min(best_s, each_s), 2 * size
    return fastest


def _per_image_s(lane: Lane, size: int) -> float:
    def run_s() -> float:
        began_s = time.perf_counter()
        lane.run(size)
        return time.perf_counter() - began_s

    return min(run_s() for _ in range(_TRIALS)) / size


def result_at(
    spec: BundleSpec,
    outputs: dict[str, NDArray[Any]],
    at: int,
    placement: Placement,
    score_threshold: float | None,
    timing: Timing,
) -> Result:
    """The answer for the image in slot `at`, with nothing shared with the lane; fills in `timing.post_s`."""
    began_s = time.perf_counter()
    detections = None
    if spec.detection is not None:
        detections = _detections(spec.detection, outputs, at, placement, score_threshold)
    probabilities = outputs.get("probabilities")
    embedding = outputs.get("embedding")
    outlier = outputs.get(OUTLIER_SCORE)
    return Result(
        detections=detections,
        probabilities=None if probabilities is None else probabilities[at].astype(np.float32),
        embedding=None if embedding is None else embedding[at].astype(np.float32),
        outlier_score=None if outlier is None else float(outlier[at]),
        timing=replace(timing, post_s=time.perf_counter() - began_s),
    )


def _detections(
    defaults: DetectionSpec,
    outputs: dict[str, NDArray[Any]],
    at: int,
    placement: Placement,
    score_threshold: float | None,
) -> Detections:
    if score_threshold is not None:
        defaults = replace(defaults, score_threshold=score_threshold)
    return detections_of(defaults, outputs["boxes"][at], outputs["scores"][at], outputs["class_ids"][at], placement)
