"""How far outputs are from the recorded ones.

Candidates of nearly equal score may come in another order on another machine, the last ones of the K may be others, and
where two classes are nearly equal the other one may win. So candidates are compared as sets: each one needs a partner
of its class, except for the last ones and for one in fifty.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cvops_bundles.spec import Tolerances

_FORGIVEN: Final = 0.02
"""Share of the candidates of an image that may have no partner."""


def worst_of_detections(
    expected: Mapping[str, NDArray[Any]],
    found: Mapping[str, NDArray[Any]],
    tolerances: Tolerances,
    network_wh: tuple[int, int],
) -> tuple[float, float]:
    """The largest errors over all images: of boxes, in px for a box of the input's size, and of scores.

    Both mappings hold boxes (N, K, 4), scores (N, K) and class_ids (N, K). The error of a score is that to the nearest
    one: a candidate that only one side has moves the rank of all below it. The error of a candidate's box is that to
    the nearest of its class and score, and infinite without one.
    """
    worst_px, worst_score = 0.0, 0.0
    for i in range(len(expected["scores"])):
        one = {name: expected[name][i] for name in ("boxes", "scores", "class_ids")}
        two = {name: found[name][i] for name in ("boxes", "scores", "class_ids")}
        for a, b in ((one, two), (two, one)):
            px, score = _worst_of_image(a, b, tolerances, network_wh)
            worst_px, worst_score = _max(worst_px, px), _max(worst_score, score)
    return worst_px, worst_score


def worst_of_probabilities(expected: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    """Largest absolute difference."""
    return float(np.max(np.abs(expected - found)))


def worst_of_embeddings(expected: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    """Largest length of a difference over the length of the recorded embedding, over the rows of (N, D)."""
    lengths = np.maximum(np.linalg.norm(expected, axis=1), 1e-6)
    return float(np.max(np.linalg.norm(expected - found, axis=1) / lengths))


def _worst_of_image(
    a: Mapping[str, NDArray[Any]],
    b: Mapping[str, NDArray[Any]],
    tolerances: Tolerances,
    network_wh: tuple[int, int],
) -> tuple[float, float]:
    if not (np.isfinite(a["boxes"]).all() and np.isfinite(a["scores"]).all()):
        return float("nan"), float("nan")
    # What is hardly better than the last one may have been cut off on the other side.
    margin = min(10 * float(np.max(np.abs(a["scores"] - b["scores"]))), tolerances.score) + 1e-6
    certain = a["scores"] > max(a["scores"][-1], b["scores"][-1]) + margin
    if not certain.any():
        return 0.0, 0.0
    boxes = a["boxes"][certain]
    sides = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    scale = np.maximum(sides / max(network_wh), 1.0)
    px = np.abs(boxes[:, None] - b["boxes"][None]).max(axis=2) / scale[:, None]
    score = np.abs(a["scores"][certain][:, None] - b["scores"][None])
    same = a["class_ids"][certain][:, None] == b["class_ids"][None]
    return _worst(np.where(same & (score <= tolerances.score), px, np.inf)), _worst(score)


def _worst(errors: NDArray[np.floating[Any]]) -> float:
    """The largest error of the rows (M, K) to their nearest, without those that are forgiven."""
    nearest = np.sort(errors.min(axis=1))
    return float(nearest[-1 - int(_FORGIVEN * len(nearest))])


def _max(a: float, b: float) -> float:
    return float("nan") if np.isnan(a) or np.isnan(b) else max(a, b)
