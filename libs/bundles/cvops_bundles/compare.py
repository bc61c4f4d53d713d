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

    Both mappings hold boxes (N, K, 4), scores (N, K) and class_ids (N, K). The error of a candidate without a partner
    of its class is infinite, unless forgiven.
    """
    worst_px, worst_score = 0.0, 0.0
    for i in range(len(expected["scores"])):
        one = {name: expected[name][i] for name in ("boxes", "scores", "class_ids")}
        two = {name: found[name][i] for name in ("boxes", "scores", "class_ids")}
        # The scores fall, so their order does not depend on which of two equal candidates came first.
        noise = float(np.max(np.abs(one["scores"] - two["scores"])))
        worst_score = _max(worst_score, noise)
        for a, b in ((one, two), (two, one)):
            worst_px = _max(worst_px, _unmatched_px(a, b, noise, tolerances, network_wh))
    return worst_px, worst_score


def worst_of_probabilities(expected: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    """Largest absolute difference."""
    return float(np.max(np.abs(expected - found)))


def worst_of_embeddings(expected: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    """Largest length of a difference over the length of the recorded embedding, over the rows of (N, D)."""
    lengths = np.maximum(np.linalg.norm(expected, axis=1), 1e-6)
    return float(np.max(np.linalg.norm(expected - found, axis=1) / lengths))


def _unmatched_px(
    a: Mapping[str, NDArray[Any]],
    b: Mapping[str, NDArray[Any]],
    noise: float,
    tolerances: Tolerances,
    network_wh: tuple[int, int],
) -> float:
    if not (np.isfinite(a["boxes"]).all() and np.isfinite(a["scores"]).all()):
        return float("nan")
    # What lies within the noise of the last score may have been cut off on the other side.
    certain = a["scores"] > a["scores"][-1] + 10 * noise + 1e-6
    if not certain.any():
        return 0.0
    boxes = a["boxes"][certain]
    sides = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    scale = np.maximum(sides / max(network_wh), 1.0)
    error = np.abs(boxes[:, None] - b["boxes"][None]).max(axis=2) / scale[:, None]
    close = np.abs(a["scores"][certain][:, None] - b["scores"][None]) <= tolerances.score
    same = a["class_ids"][certain][:, None] == b["class_ids"][None]
    nearest = np.sort(np.where(close & same, error, np.inf).min(axis=1))
    return float(nearest[-1 - int(_FORGIVEN * len(nearest))])


def _max(a: float, b: float) -> float:
    return float("nan") if np.isnan(a) or np.isnan(b) else max(a, b)
