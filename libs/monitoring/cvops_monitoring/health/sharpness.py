"""Out of focus, condensation: fine detail is gone where the scene is as it was.

Compared is the energy of fine detail (.12-.30 cycles/px at 320x240) with that of coarser detail in the same place, in
192 blocks, each against the reference; the median block decides. So light changes nothing, and people and cars do
little as long as they hide less than half of the detail, where the share of the whole picture falls to a quarter when a
person walks away.
"""

import math

import numpy as np

from cvops_monitoring.health.faults import FaultKind, Verdict, Verdicts
from cvops_monitoring.health.settings import HealthSettings
from cvops_monitoring.health.view import View

_FLOOR = 4.0
"""Luma squared; keeps blocks without detail from dividing by nothing; less in less light."""
_QUIET = 0.25
"""Share of the blocks, those with the least detail, that noise is read from."""
_LEAST_BLOCKS, _LEAST_FINE = 12, 0.5


def detail_ratio(reference: View, now: View) -> float | None:
    """Median over the detailed blocks of fine / coarse energy, now against the reference; None: too few such blocks.

    1: as sharp as ever; a Gaussian blur of 1 px makes it about .45.
    """
    fine_ref, coarse_ref = reference.bands
    fine, coarse = now.bands
    detailed = (fine_ref >= max(float(np.median(fine_ref)), _LEAST_FINE)) & (coarse > coarse_ref / 50)
    if int(detailed.sum()) < _LEAST_BLOCKS:
        return None
    light = min(1.0, float(np.median(coarse[detailed] / (coarse_ref[detailed] + _FLOOR))))
    quiet = fine_ref <= np.quantile(fine_ref, _QUIET)
    noise = max(0.0, float(np.median(fine[quiet] - light * fine_ref[quiet])))
    signal = np.maximum(fine[detailed] - noise, 1e-6)
    was = np.log((fine_ref[detailed] + 1e-6) / (coarse_ref[detailed] + _FLOOR))
    now_is = np.log(signal / (coarse[detailed] + light * _FLOOR))
    return math.exp(float(np.median(now_is - was)))


def check_sharpness(reference: View, now: View, settings: HealthSettings) -> Verdicts:
    """Whether fine detail is gone; no verdict where the reference has too little of it. Both views of one size."""
    ratio = detail_ratio(reference, now)
    if ratio is None:
        return {}
    verdict = Verdict(
        present=ratio < settings.defocus_ratio,
        statistic=ratio,
        threshold=settings.defocus_ratio,
        effect=ratio,
        unit="x",
        text=f"fine detail is down to {100 * ratio:.0f} % of the reference: out of focus, or dirt on the glass",
        details={"detail_ratio": ratio},
    )
    return {FaultKind.DEFOCUS: verdict}
