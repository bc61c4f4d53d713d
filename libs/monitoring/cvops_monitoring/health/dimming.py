"""Under-exposed: a third of the light or more went within seconds, everywhere alike.

Dusk is slow, a cloud and a lamp that goes out leave other parts as they were, and the exposure of a healthy camera
moves by less than this. It is told while it stays: what was before is not forgotten as long as it does.
"""

import math
from dataclasses import dataclass

import numpy as np

from cvops_monitoring.arrays import F32
from cvops_monitoring.health.faults import Verdict
from cvops_monitoring.health.settings import HealthSettings
from cvops_monitoring.health.view import View

_FOLLOW_S, _UNDECIDED_S = 60.0, 30.0
_SPREAD = 0.12
"""Between the 10th and the 90th percentile of the cells, against their median."""
_DARK = 2.0


@dataclass(slots=True)
class Dimming:
    """Light of the last minute. Steady seconds.

    Attributes:
        layout: luma of 32 columns x 24 rows, float32 (24, 32); None: none was seen. It stays while the light is less.
        seen_s: when it was last compared.
        since_s: since when the light is less; None: it is not.
        told: it was alike everywhere after ten seconds still.
    """

    layout: F32 | None = None
    seen_s: float = 0.0
    since_s: float | None = None
    told: bool = False

    def push(self, now: View, now_s: float, settings: HealthSettings) -> Verdict:
        """Takes one thumbnail."""
        elapsed_s, self.seen_s = max(now_s - self.seen_s, 0.0), now_s
        if self.layout is None:
            self.layout = now.layout
        low, light, high = np.quantile((now.layout + _DARK) / (self.layout + _DARK), [0.1, 0.5, 0.9])
        less, alike = bool(light < settings.dim_light), bool(high - low < _SPREAD * light)
        if less and (self.since_s is not None or alike):
            self.since_s = now_s if self.since_s is None else self.since_s
            self.told |= alike and now_s - self.since_s >= settings.covered_s
        if not less or self.since_s is None or (not self.told and now_s - self.since_s > _UNDECIDED_S):
            self.since_s, self.told = None, False
            weight = np.float32(-math.expm1(-elapsed_s / _FOLLOW_S))
            self.layout = np.asarray(self.layout + weight * (now.layout - self.layout), np.float32)
        return Verdict(
            present=self.told,
            statistic=float(light),
            threshold=settings.dim_light,
            effect=100 * float(light),
            unit="%",
            text=f"the picture lost {100 * (1 - float(light)):.0f} % of its light within seconds, everywhere alike: "
            "the exposure, or a filter in front of the lens",
            details={"light": float(light)},
            since_s=self.since_s,
        )
