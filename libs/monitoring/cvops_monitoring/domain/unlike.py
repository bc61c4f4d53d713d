"""What is unlike about a camera, in words: the readable features in which it is farthest from the others."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cvops_monitoring.domain.signature import Signature

_FAR = 2.5
_MAD = 1.4826
_LEAST_SPREAD = 0.05
"""Share of the usual value that is never called unlike: cameras of one type agree to less."""


@dataclass(frozen=True, slots=True)
class Unlike:
    """One feature.

    Attributes:
        name: e.g. "sharpness".
        value: mean of the camera.
        usual: median of the other cameras.
        spreads: value - usual, in robust standard deviations of the others.
    """

    name: str
    value: float
    usual: float
    spreads: float


def unlike_features(others: Sequence[Signature], camera: Signature, most: int = 3) -> list[Unlike]:
    """The features that are more than 2.5 robust spreads away, farthest first; needs four cameras that know them."""
    found = []
    for name, value in camera.named.items():
        values = np.array([other.named[name] for other in others if name in other.named])
        if len(values) < _LEAST_CAMERAS:
            continue
        usual = float(np.median(values))
        spread = _MAD * float(np.median(np.abs(values - usual)))
        spreads = (value - usual) / max(spread, _LEAST_SPREAD * abs(usual), 1e-9)
        if abs(spreads) > _FAR:
            found.append(Unlike(name, value, usual, spreads))
    return sorted(found, key=lambda each: -abs(each.spreads))[:most]


_LEAST_CAMERAS = 4
