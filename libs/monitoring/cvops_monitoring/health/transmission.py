"""How clearly the reference view is still seen, cell by cell.

In each of 32 x 24 cells the detail of the present picture is taken as a `share` of the detail of the reference plus
detail that is `new` (least squares). What lies between camera and scene takes from the share and brings nothing new:
mud, fog, a cover, less light. What changed in the scene, and another view, bring detail of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from cvops_monitoring.arrays import BoolArray, FloatArray
from cvops_monitoring.health.view import View, in_layout

_FLOOR = 0.25
"""Luma squared; keeps cells without detail from dividing by nothing."""
_DETAILED = 6.0
"""Luma squared a cell of the reference must have to tell its share; clouds have less."""
_LEAST_CELLS = 60
_GONE_SHARE, _FOREIGN_SHARE, _UNLIKE = 0.2, 0.1, 0.4
_THINNED: Final = (0.15, 0.7)
_FOG_LIGHT, _FOG_CELLS, _FOG_GRADED = 1.1, 0.4, 0.12
_DARK = 2.0
"""Luma that is added when cells are compared by their light, so that black cells do not decide."""


@dataclass(frozen=True, eq=False)
class Transmission:
    """What of the reference is seen.

    Attributes:
        share: of its detail, 1: as it was, 0: gone; (24, 32).
        new: detail that it does not explain, luma squared, (24, 32).
        lit: luma of the cells against the reference, (24, 32).
    """

    share: FloatArray
    new: FloatArray
    lit: FloatArray

    @property
    def light(self) -> float:
        """Of the median cell against the reference."""
        return float(np.median(self.lit))


def detailed(reference: View) -> BoolArray | None:
    """Cells that have enough detail, bool (24, 32); None: too few have."""
    cells = np.asarray(reference.detail_energy > _DETAILED)
    return cells if int(cells.sum()) >= _LEAST_CELLS else None


def transmission(reference: View, now: View, right_px: float = 0.0, down_px: float = 0.0) -> Transmission:
    """What of `reference` is seen in `now`, which is shifted by this much; both of one size."""
    was = reference.detail
    if right_px or down_px:
        shift = np.array([[1, 0, right_px], [0, 1, down_px]], np.float32)
        was = np.asarray(
            cv2.warpAffine(was, shift, was.shape[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT),
            np.float32,
        )
    common = in_layout(was * now.detail)
    share = common / (in_layout(was * was) + _FLOOR)
    lit = (now.layout + _DARK) / (reference.layout + _DARK)
    return Transmission(share, np.maximum(now.detail_energy - share * common, 0), lit)


def typical(seen: Sequence[Transmission]) -> Transmission:
    """Median, cell by cell: what passes through a cell for less than half of the time is not in it."""
    parts = ([each.share for each in seen], [each.new for each in seen], [each.lit for each in seen])
    return Transmission(*(np.asarray(np.median(part, axis=0), np.float32) for part in parts))


def is_elsewhere(reference: View, now: View) -> bool:
    """A sharp and lit picture in which nothing of the reference is where it was.

    In three quarters of the detailed cells less than a fifth of the detail is left, a tenth of the energy is new, and
    the coarse picture is another. Fog, a cover and a blur bring no detail; snow and night leave houses where they are.
    False for a reference that shows too little.
    """
    cells = detailed(reference)
    if cells is None:
        return False
    seen = transmission(reference, now)
    gone = float(np.quantile(seen.share[cells], 0.75)) < _GONE_SHARE * seen.light
    foreign = float(seen.new.sum()) > _FOREIGN_SHARE * seen.light**2 * float(reference.detail_energy.sum())
    return gone and foreign and likeness(reference, now) < _UNLIKE


def is_fog(reference: View, now: View) -> bool:
    """Brighter than the reference, and two fifths of its detailed cells thinned but not gone, by unlike shares.

    What is far is gone first. A thing before the lens takes cells whole, or all of them alike.
    """
    cells = detailed(reference)
    if cells is None:
        return False
    seen = transmission(reference, now)
    share = seen.share[cells] / min(1.0, seen.light)
    low, high = np.quantile(share, [0.25, 0.75])
    thinned = float(np.mean((share > _THINNED[0]) & (share < _THINNED[1])))
    return bool(seen.light > _FOG_LIGHT and thinned > _FOG_CELLS and high - low > _FOG_GRADED)


def likeness(reference: View, now: View, where: BoolArray | None = None) -> float:
    """Correlation of the coarse pictures, -1..1; 0 where one of them shows nothing.

    `where`: (24, 32), the part that is compared; None: all.
    """
    was, now_is = (view.layout if where is None else view.layout[where] for view in (reference, now))
    spread = float(was.std() * now_is.std())
    together = float(np.mean((was - was.mean()) * (now_is - now_is.mean())))
    return together / spread if spread > 1e-3 else 0.0
