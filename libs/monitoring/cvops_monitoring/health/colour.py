"""Colour cast, and red and blue exchanged.

Grey world (Buchsbaum 1980): the mean of a* and b* of a camera stays where it is. Exchanging red and blue leaves the
saturation of every pixel exactly as it is, and nearly its brightness, while b* goes towards the other side: another
white balance, other light and another scene change the saturation as well. Snow, fog and glare bleach: saturation
falls, and the mean colour goes straight to grey. That is the world and not the camera, so it is no cast.
"""

import math

from cvops_monitoring.health.faults import FaultKind, Verdict, Verdicts
from cvops_monitoring.health.frame import HealthFrame
from cvops_monitoring.health.reference import Reference
from cvops_monitoring.health.settings import HealthSettings

_SAME_SATURATION, _SAME_BRIGHTNESS = 0.05, 0.1
_BLEACHED_SATURATION = 0.8
_TURNED = 0.5
"""b* must go at least so far towards the other side, in units of what it was."""


def check_colour(reference: Reference, frame: HealthFrame, settings: HealthSettings) -> Verdicts:
    """Whether the mean colour shifted, and whether red and blue are exchanged."""
    shift = math.hypot(frame.cast_a - reference.cast_a, frame.cast_b - reference.cast_b)
    threshold = max(settings.cast_de, settings.cast_spread * reference.cast_sd)
    large = shift > threshold and not _is_bleached(reference, frame, threshold)
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
    as_bright = abs(frame.brightness_mean / max(reference.brightness, 1.0) - 1) < _SAME_BRIGHTNESS
    turned = (reference.cast_b - frame.cast_b) * reference.cast_b > _TURNED * reference.cast_b**2
    return same and as_bright and turned


def _is_bleached(reference: Reference, frame: HealthFrame, tolerance: float) -> bool:
    """Whether the mean colour is within `tolerance` dE of one that the reference passes on its way to grey."""
    if frame.saturation > _BLEACHED_SATURATION * reference.saturation:
        return False
    a, b = reference.cast_a, reference.cast_b
    along = (frame.cast_a * a + frame.cast_b * b) / max(a * a + b * b, 1e-9)
    kept = min(max(along, 0.0), 1.0)
    return math.hypot(frame.cast_a - kept * a, frame.cast_b - kept * b) <= tolerance


def _hue(reference: Reference, frame: HealthFrame) -> str:
    a, b = frame.cast_a - reference.cast_a, frame.cast_b - reference.cast_b
    if abs(a) > abs(b):
        return "red" if a > 0 else "green"
    return "yellow" if b > 0 else "blue"
