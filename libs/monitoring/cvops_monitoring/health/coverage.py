"""Covered: a large part of the view lost its edges, and not because light went."""

import cv2
import numpy as np

from cvops_monitoring.arrays import BoolArray
from cvops_monitoring.health.faults import FaultKind, Verdict, Verdicts
from cvops_monitoring.health.frame import HealthFrame
from cvops_monitoring.health.reference import Reference
from cvops_monitoring.health.settings import HealthSettings
from cvops_monitoring.health.transmission import is_fog, likeness
from cvops_monitoring.health.view import View

_EDGES, _LEAST_BLOCKS = 0.8, 8
"""Luma per px a block must have had to lose it; so many blocks must have had it."""
_BLURRED = 0.7
"""Correlation of the coarse picture in the lost blocks above which they are blurred, not covered."""


def lost_blocks(reference: Reference, frame: HealthFrame, settings: HealthSettings) -> tuple[BoolArray, BoolArray]:
    """Blocks that could lose edges, and those of them that did: bool (6, 8) each."""
    gain = min(1.0, (frame.brightness_mean + 2) / (reference.brightness + 2))
    able = reference.edge_energy * gain > _EDGES
    return able, able & (frame.edge_energy < settings.covered_loss * gain * reference.edge_energy)


def lost_share(reference: Reference, frame: HealthFrame, settings: HealthSettings) -> float | None:
    """Share of blocks that lost their edges, 0..1; None: too few could."""
    able, lost = lost_blocks(reference, frame, settings)
    return float(lost.sum() / able.sum()) if able.sum() >= _LEAST_BLOCKS else None


def check_coverage(reference: Reference, frame: HealthFrame, now: View | None, settings: HealthSettings) -> Verdicts:
    """Whether the view is covered; no verdict for a scene without edges."""
    share = lost_share(reference, frame, settings)
    if share is None:
        return {}
    _, lost = lost_blocks(reference, frame, settings)
    present = share > settings.covered_share and not _is_explained(reference.view, now, lost)
    verdict = Verdict(
        present=present,
        statistic=share,
        threshold=settings.covered_share,
        effect=100 * share,
        unit="%",
        text=f"{100 * share:.0f} % of the view lost its edges: something is in front of the camera",
        details={"lost_share": share},
    )
    return {FaultKind.COVERED: verdict}


def _is_explained(reference: View | None, now: View | None, lost: BoolArray) -> bool:
    """The edges went by fog or out of focus."""
    return reference is not None and now is not None and (_is_blur(reference, now, lost) or is_fog(reference, now))


def _is_blur(reference: View, now: View, lost: BoolArray) -> bool:
    """The lost blocks still show the coarse picture of the reference."""
    where = cv2.resize(lost.astype(np.uint8), (32, 24), interpolation=cv2.INTER_NEAREST) > 0
    return likeness(reference, now, where) > _BLURRED
