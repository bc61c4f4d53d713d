"""Gates: what a candidate has to show before it may be tried on a camera. Pure numbers."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvops_bundles.spec import Gate
from cvops_training.evaluation import Evaluation, Ranking

_RESAMPLES, _AP_RESAMPLES = 2000, 500
_LEAST_OBJECTS = 10
_CONFIDENCE = 0.9


@dataclass(frozen=True, slots=True)
class Limits:
    """What is asked for; see the release section of a project.

    Attributes:
        most_clean_loss: of mAP50 on what the champion knew.
        least_gain: of mAP50 on the held-out new labels, over the champion and over it with its best threshold.
        most_class_loss: of AP50 of any one class on what the champion knew, and of mAP50 of a slice. A class is often
            rare there, so a candidate is refused when it is 90 % sure that the class loses more.
        most_latency_ratio: candidate's time for one image over the champion's.
    """

    most_clean_loss: float = 0.05
    least_gain: float = 0.02
    most_class_loss: float = 0.10
    most_latency_ratio: float = 2.0


@dataclass(frozen=True, slots=True)
class Judged:
    """One model on every set.

    Attributes:
        new: held-out new labels; None: there are none.
        clean: what was known before; None: nothing was.
        slices: regression slices, by name.
        latency_ms: of one image.
    """

    new: Evaluation | None
    clean: Evaluation | None
    slices: Mapping[str, Evaluation]
    latency_ms: float


def judge(candidate: Judged, champion: Judged, limits: Limits) -> tuple[Gate, ...]:
    """Every gate with its number and limit. Small sets decide by their mean and say how sure they are.

    Classes are compared on what was known; when nothing was, on the new labels.
    """
    gates: list[Gate] = []
    if candidate.new is not None and champion.new is not None:
        gates += _of_new(candidate.new, champion.new, limits)
    if candidate.clean is not None and champion.clean is not None:
        loss = champion.clean.map50 - candidate.clean.map50
        gates.append(
            Gate(
                "clean",
                not loss > limits.most_clean_loss,
                _finite(loss),
                limits.most_clean_loss,
                f"mAP50 on what was known {champion.clean.map50:.3f} -> {candidate.clean.map50:.3f} "
                f"({candidate.clean.images} images)",
            )
        )
    known = [(candidate.clean, champion.clean), (candidate.new, champion.new)]
    gates += next(
        (_of_classes(one, other, limits) for one, other in known if one is not None and other is not None), []
    )
    for name in sorted(candidate.slices.keys() & champion.slices.keys()):
        loss = champion.slices[name].map50 - candidate.slices[name].map50
        text = f"mAP50 on slice {name} {champion.slices[name].map50:.3f} -> {candidate.slices[name].map50:.3f}"
        gates.append(
            Gate(f"slice:{name}", not loss > limits.most_class_loss, _finite(loss), limits.most_class_loss, text)
        )
    ratio = candidate.latency_ms / max(champion.latency_ms, 1e-6)
    gates.append(
        Gate(
            "latency",
            ratio <= limits.most_latency_ratio,
            ratio,
            limits.most_latency_ratio,
            f"{candidate.latency_ms:.1f} ms an image, the champion takes {champion.latency_ms:.1f} ms",
        )
    )
    return tuple(gates)


def _of_new(candidate: Evaluation, champion: Evaluation, limits: Limits) -> list[Gate]:
    gain = candidate.map50 - champion.map50
    sure = _lower_bound(candidate.f1 - champion.f1)
    over_threshold = float(candidate.f1.mean()) - champion.best_f1
    return [
        Gate(
            "gain",
            bool(gain >= limits.least_gain),
            _finite(gain),
            limits.least_gain,
            f"mAP50 on {candidate.images} held-out new images {champion.map50:.3f} -> {candidate.map50:.3f}; F1 of an "
            f"image rises by at least {sure:+.3f} ({_CONFIDENCE:.0%} sure)",
        ),
        Gate(
            "threshold",
            bool(over_threshold >= limits.least_gain),
            over_threshold,
            limits.least_gain,
            f"F1 of an image {candidate.f1.mean():.3f}, the champion with its best threshold "
            f"({champion.best_threshold:.2f}) has {champion.best_f1:.3f}",
        ),
        Gate(
            "collapse",
            bool(candidate.boxes > 0 and (champion.objects == 0 or candidate.boxes <= _many(candidate))),
            candidate.boxes,
            _many(candidate),
            f"{candidate.boxes:.1f} boxes an image, {candidate.objects / max(candidate.images, 1):.1f} objects",
        ),
    ]


def _many(evaluation: Evaluation) -> float:
    return 3.0 * evaluation.objects / max(evaluation.images, 1) + 3.0


def _of_classes(candidate: Evaluation, champion: Evaluation, limits: Limits) -> list[Gate]:
    gates = []
    for name in sorted(champion.ap50):
        if champion.class_objects[name] < _LEAST_OBJECTS:
            continue  # so few that no number can speak for the class
        surely = _sure_loss(champion.rankings[name], candidate.rankings[name])
        text = (
            f"AP50 of {name} {champion.ap50[name]:.3f} -> {candidate.ap50[name]:.3f} on {champion.class_objects[name]} "
            f"objects, a loss of {surely:+.3f} or more ({_CONFIDENCE:.0%} sure)"
        )
        passed = bool(surely <= limits.most_class_loss)
        gates.append(Gate(f"class:{name}", passed, surely, limits.most_class_loss, text))
    return gates


def _sure_loss(champion: Ranking, candidate: Ranking) -> float:
    """One-sided bootstrap bound of the loss of AP50, over the same images for both."""
    images = len(champion.objects)
    random = np.random.default_rng(0)
    copies = random.multinomial(images, np.full(images, 1 / images), _AP_RESAMPLES).astype(np.float64)
    return float(np.quantile(champion.ap50(copies) - candidate.ap50(copies), 1 - _CONFIDENCE))


def _lower_bound(differences: NDArray[np.float64]) -> float:
    """One-sided bootstrap bound of a mean over images."""
    if not len(differences):
        return 0.0
    random = np.random.default_rng(0)
    means = random.choice(differences, (_RESAMPLES, len(differences))).mean(axis=1)
    return float(np.quantile(means, 1 - _CONFIDENCE))


def _finite(value: float) -> float:
    return value if np.isfinite(value) else 0.0
