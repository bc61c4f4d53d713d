"""Colour cast, and red and blue exchanged.

Grey world (Buchsbaum 1980): the mean of a* and b* of a camera stays where it is. Exchanging red and blue leaves the
saturation of every pixel as it is and turns b* round.
"""

import math

from cvops_monitoring.health.faults import FaultKind, Verdict, Verdicts
from cvops_monitoring.health.frame import HealthFrame
from cvops_monitoring.health.reference import Reference
from cvops_monitoring.health.settings import HealthSettings

_SAME_SATURATION = 0.15
_TURNED = 0.3
"""b* must come at least so far onto the other side, in units of what it was."""


def check_colour(reference: Reference, frame: HealthFrame, settings: HealthSettings) -> Verdicts:
    """Whether the mean colour shifted, and whether red and blue are exchanged."""
    shift = math.hypot(frame.cast_a - reference.cast_a, frame.cast_b - reference.cast_b)
    threshold = max(settings.cast_de, settings.cast_spread * reference.cast_sd)
    large = shift > threshold
    swapped = large and _is_swapped(reference, frame)
    details = {"cast_a": frame.cast_a, "cast_b": frame.cast_b, "from_a": reference.cast_a, "from_b": reference.cast_b}
    cast = f"the mean colour shifted by {shift:.0f} dE towards {_hue(reference, frame)}"
    swap = f"red and blue are exchanged: b* went from {reference.cast_b:.0f} to {frame.cast_b:.0f}"
    return {
        FaultKind.COLOUR_CAST: Verdict(large and not swapped, shift, threshold, shift, "dE", cast, details),
        FaultKind.CHANNELS_SWAPPED: Verdict(swapped, shift, threshold, shift, "dE", swap, details),
    }


def _is_swapped(reference: Reference, frame: HealthFrame) -> bool:
    same = abs(frame.saturation / max(reference.saturation, 1.0) - 1) < _SAME_SATURATION
    turned = frame.cast_b * reference.cast_b < 0 and abs(frame.cast_b) > _TURNED * abs(reference.cast_b)
    return same and turned


def _hue(reference: Reference, frame: HealthFrame) -> str:
    a, b = frame.cast_a - reference.cast_a, frame.cast_b - reference.cast_b
    if abs(a) > abs(b):
        return "red" if a > 0 else "green"
    return "yellow" if b > 0 else "blue"
