"""Dirt on the glass, and a veil before it: the scene is as it was, but less of it is seen.

Compared is the median of the last five looks, two seconds apart at least, with what was usual in the last half hour, so
that shadows that wander and cars that park or leave become usual, and what passes counts for nothing. It takes ten
seconds to see, and what comes within a day or more is not seen here; the sharpness tells it in the end.

Dirt, a drop that stays or a hand at the rim is out of focus. So it is told if, of the cells with detail,

- a twentieth or more lost over 30 % of their detail, and in three quarters of these nothing new is seen: a lorry, road
  works and snow bring detail of their own;
- the upper quarter is as clear as ever: not fog, rain, defocus or less light, which take from all cells;
- there are about as many cells in between as lost ones, and in these the loss is soft: what has a sharp outline, like
  a car that was in the reference and left, leaves cells whole or takes them whole, and mixed cells look new;
- a quarter of the lost cells are darker by a seventh or more against the rest, as haze never is. So dust that shines in
  the sun, and white droppings, are not told;
- cells beside the lost ones in the same row of the picture are clear: haze takes the horizon as a whole.

A veil (cloth, foil, a hand that lets light through) takes light and contrast from all cells alike, contrast more than
light does. Fog adds light, and takes more from what is far.
"""

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from cvops_monitoring.arrays import F32, BoolArray, FloatArray
from cvops_monitoring.health.faults import FaultKind, Verdict, Verdicts
from cvops_monitoring.health.settings import HealthSettings
from cvops_monitoring.health.transmission import Transmission, detailed, transmission, typical
from cvops_monitoring.health.view import View

_LOOKS, _APART_S, _OLD_S = 5, 2.0, 60.0
_JITTER = 0.9
_FOLLOW_S, _LONGEST_S = 1800.0, 300.0
_LEAST_USUAL, _LEAST_CELLS = 0.5, 60
_LOST, _GONE, _WHOLE, _CLEAR_BESIDE = 0.7, 0.15, 0.85, 0.9
"""Shares of the detail: below the first a cell is lost; between the next two it is neither gone nor whole."""
_NEW, _NEW_FLOOR = 0.2, 2.0
_LEAST_FADED = 0.75
_HARDEST = 0.45
_LEAST_BETWEEN, _MOST_BETWEEN = 0.6, 2.0
_LEAST_BESIDE, _DARKER = 0.3, 0.85
_AS_CLEAR: Final = (0.96, 1.1)
_CLEAR_SHARE, _CLEAR_LIGHT = 0.5, 0.75
_VEIL_LIGHT, _VEIL_SPREAD = 0.9, 0.12
_THIRDS: Final = ((0, "upper", "left"), (1, "", ""), (2, "lower", "right"))


@dataclass(slots=True)
class Glass:
    """What was seen lately. Steady seconds.

    Attributes:
        looks: the last ones, the oldest first.
        times_s: when these were.
        usual: of each brightness regime that is known.
        clear: at the last look the scene had half its detail and most of its light; what a veil, fog or a wrong
            exposure does to colours is not told as their fault.
        veiled: a veil was seen at the last look.
    """

    looks: list[Transmission] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    usual: dict[str, Transmission] = field(default_factory=dict)
    clear: bool = True
    veiled: bool = False

    def push(
        self,
        regime: str,
        reference: View,
        now: View,
        sway_px: tuple[float, float],
        now_s: float,
        settings: HealthSettings,
    ) -> Verdicts:
        """Takes a look; no verdict in between, before ten seconds are seen and where the reference shows too little.

        Args:
            regime: of the reference.
            reference: what should be seen.
            now: what is seen, of the same size.
            sway_px: by which it is shifted to the right and down.
            now_s: steady seconds.
            settings: thresholds.
        """
        if self.times_s and now_s - self.times_s[-1] < _JITTER * _APART_S:
            return {}
        cells = detailed(reference)
        if cells is None:
            return {}
        elapsed_s = min(now_s - self.times_s[-1], _LONGEST_S) if self.times_s else 0.0
        seen = transmission(reference, now, *sway_px)
        self._remember(seen, now_s)
        self.clear = _is_clear(cells, self.usual.get(regime), seen)
        if len(self.looks) < _LOOKS:
            return {}
        present = typical(self.looks)
        usual = self.usual.setdefault(regime, present)
        verdicts = check_glass(cells, reference.detail_energy, usual, present, settings)
        self.veiled = FaultKind.COVERED in verdicts and verdicts[FaultKind.COVERED].present
        if not any(verdict.present for verdict in verdicts.values()):
            self.usual[regime] = _blend(usual, present, -math.expm1(-elapsed_s / _FOLLOW_S))
        return verdicts

    def learn(self, view: View, now: View, now_s: float) -> None:
        """Takes a look while the reference is learned; `view` is what is known of it, without `now`."""
        if not self.times_s or now_s - self.times_s[-1] >= _JITTER * _APART_S:
            self._remember(transmission(view, now), now_s)

    def learned(self, regime: str) -> None:
        """The reference of the regime is known: what was seen lately is usual."""
        if len(self.looks) == _LOOKS:
            self.usual[regime] = typical(self.looks)
        self.begin()

    def begin(self) -> None:
        """Forgets the last looks: another regime or another place."""
        self.looks, self.times_s, self.clear, self.veiled = [], [], True, False

    def _remember(self, seen: Transmission, now_s: float) -> None:
        if self.times_s and now_s - self.times_s[0] > _OLD_S:
            recent = [i for i, time_s in enumerate(self.times_s) if now_s - time_s <= _OLD_S]
            self.looks, self.times_s = [self.looks[i] for i in recent], [self.times_s[i] for i in recent]
        small = Transmission(*(part.astype(np.float16) for part in (seen.share, seen.new, seen.lit)))
        self.looks, self.times_s = [*self.looks, small][-_LOOKS:], [*self.times_s, now_s][-_LOOKS:]


def check_glass(
    cells: BoolArray, energy: F32, usual: Transmission, present: Transmission, settings: HealthSettings
) -> Verdicts:
    """Whether there is dirt on the glass or a veil before it; no verdict if less than 60 cells tell.

    Args:
        cells: that have detail in the reference, bool (24, 32).
        energy: of that detail, luma squared, float32 (24, 32).
        usual: what of it is usually seen.
        present: what is seen now.
        settings: thresholds.
    """
    cells = cells & (usual.share > _LEAST_USUAL)
    if int(cells.sum()) < _LEAST_CELLS:
        return {}
    lit = present.lit / np.maximum(usual.lit, 1e-3)
    light = float(np.median(lit))
    gain = min(1.0, light)
    share = present.share / np.maximum(usual.share, _LEAST_USUAL) / gain
    new = _foreign(cells & (share >= _CLEAR_BESIDE), present.new - usual.new * light**2) / gain**2
    return {
        FaultKind.DIRT: _dirt(cells, share, new, energy * usual.share**2, lit / light, settings),
        FaultKind.COVERED: _veil(share[cells], light, settings),
    }


def _dirt(
    cells: BoolArray, share: FloatArray, new: FloatArray, energy: FloatArray, lit: FloatArray, settings: HealthSettings
) -> Verdict:
    lost = cells & (share < _LOST)
    area = float(lost.sum() / cells.sum())
    clear = float(np.quantile(share[cells], 0.75))
    present = (
        area >= settings.dirt_share
        and _AS_CLEAR[0] <= clear <= _AS_CLEAR[1]
        and float((new < _NEW * (energy + _NEW_FLOOR))[lost].mean()) >= _LEAST_FADED
        and _is_soft(cells & (share > _GONE) & (share < _WHOLE), int(lost.sum()), share, new, energy)
        and float(np.quantile(lit[lost], 0.25)) <= _DARKER
        and _clear_beside(cells, lost, share) >= _LEAST_BESIDE
    )
    where = _where(lost) if present else ""
    return Verdict(
        present=present,
        statistic=area,
        threshold=settings.dirt_share,
        effect=100 * area,
        unit="%",
        text=f"{100 * area:.0f} % of the view{where} lost its detail, the rest is clear: dirt or drops on the glass",
        details={"lost_share": area, "clear": clear},
    )


def _foreign(clear: BoolArray, new: FloatArray) -> FloatArray:
    """New detail beyond that of clear cells, which is noise of the sensor and of the coder."""
    grain = float(np.median(new[clear])) if clear.any() else 0.0
    return np.asarray(np.maximum(new - max(grain, 0.0), 0))


def _veil(share: FloatArray, light: float, settings: HealthSettings) -> Verdict:
    low, middle, high = np.quantile(share, [0.25, 0.5, 0.75])
    alike = bool(high - low < _VEIL_SPREAD)
    left = float(middle)
    return Verdict(
        present=left < settings.veil_contrast and alike and light < _VEIL_LIGHT,
        statistic=left,
        threshold=settings.veil_contrast,
        effect=100 * left,
        unit="%",
        text=f"contrast is down to {100 * left:.0f} % everywhere alike and light to {100 * light:.0f} %: "
        "something that light shines through is in front of the camera",
        details={"contrast": left, "light": light},
    )


def _is_soft(between: BoolArray, n_lost: int, share: FloatArray, new: FloatArray, energy: FloatArray) -> bool:
    """In cells partly whole and partly gone, share * (1 - share) of the energy looks new; in fading ones none does."""
    if not _LEAST_BETWEEN * n_lost <= int(between.sum()) <= _MOST_BETWEEN * n_lost:
        return False
    mixed = share[between] * (1 - share[between]) * energy[between]
    return float(np.median(new[between] / (mixed + 0.5))) < _HARDEST


def _is_clear(cells: BoolArray, usual: Transmission | None, seen: Transmission) -> bool:
    was, light = (1.0, 1.0) if usual is None else (float(np.median(usual.share[cells])), usual.light)
    left, lit = float(np.median(seen.share[cells])) / max(was, _LEAST_USUAL), seen.light / light
    return left >= _CLEAR_SHARE * min(1.0, lit) and lit >= _CLEAR_LIGHT


def _clear_beside(cells: BoolArray, lost: BoolArray, share: FloatArray) -> float:
    """Share of clear cells in the rows of lost ones, 0..1, each row weighted by what it lost."""
    clear = (cells & (share >= _CLEAR_BESIDE)).sum(axis=1) / np.maximum(cells.sum(axis=1), 1)
    return float((clear * lost.sum(axis=1)).sum() / lost.sum())


def _where(lost: BoolArray) -> str:
    """The third of the picture, each way, that has more than half of it; "": it is all over."""
    rows, columns = (
        [float(part.sum()) / float(lost.sum()) for part in np.array_split(lost, 3, axis=axis)] for axis in (0, 1)
    )
    down = next((name for i, name, _ in _THIRDS if rows[i] > 0.5), "")
    across = next((name for i, _, name in _THIRDS if columns[i] > 0.5), "")
    return f" ({' '.join(part for part in (down, across) if part)})" if down or across else ""


def _blend(usual: Transmission, present: Transmission, weight: float) -> Transmission:
    pairs = ((usual.share, present.share), (usual.new, present.new), (usual.lit, present.lit))
    return Transmission(*(np.asarray(was + weight * (now - was), np.float32) for was, now in pairs))
