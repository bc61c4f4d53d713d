"""Colour cast, and red and blue exchanged.

Grey world (Buchsbaum 1980): the mean of a* and b* of a camera stays where it is. Exchanging red and blue leaves the
saturation of every pixel exactly as it is, and nearly its brightness, while b* goes towards the other side: another
white balance, other light and another scene change the saturation as well. Snow, fog and glare bleach: saturation
falls, and the mean colour goes straight to grey. That is the world and not the camera, so it is no cast. And the sun
changes all colours from noon to evening, but slowly: a picture is compared with the last half hour.
"""

import math
from dataclasses import dataclass, replace

from cvops_monitoring.health.faults import FaultKind, Verdict, Verdicts
from cvops_monitoring.health.frame import HealthFrame
from cvops_monitoring.health.reference import Reference
from cvops_monitoring.health.settings import HealthSettings

_SAME_SATURATION, _SAME_BRIGHTNESS = 0.05, 0.1
_FOLLOW_S, _LONGEST_S = 1800.0, 300.0
_BLEACHED_SATURATION = 0.8
_TURNED = 0.5
"""b* must go at least so far towards the other side, in units of what it was."""


@dataclass(slots=True)
class Colours:
    """What is usual at this time of the day; see `Reference` for the units.

    Attributes:
        cast_a: follows the frames that are as usual; so do the others.
        cast_b: see `cast_a`.
        saturation: see `cast_a`.
        brightness: see `cast_a`.
    """

    cast_a: float
    cast_b: float
    saturation: float
    brightness: float

    @classmethod
    def of(cls, reference: Reference) -> "Colours":
        """As the reference was."""
        return cls(reference.cast_a, reference.cast_b, reference.saturation, reference.brightness)

    def push(self, reference: Reference, frame: HealthFrame, elapsed_s: float, settings: HealthSettings) -> Verdicts:
        """Compares a frame that comes `elapsed_s` after the one before, and learns from it unless it looks faulty."""
        verdicts = check_colour(
            replace(
                reference,
                cast_a=self.cast_a,
                cast_b=self.cast_b,
                saturation=self.saturation,
                brightness=self.brightness,
            ),
            frame,
            settings,
        )
        if not any(verdict.present for verdict in verdicts.values()):
            share = -math.expm1(-min(elapsed_s, _LONGEST_S) / _FOLLOW_S)
            self.cast_a += share * (frame.cast_a - self.cast_a)
            self.cast_b += share * (frame.cast_b - self.cast_b)
            self.saturation += share * (frame.saturation - self.saturation)
            self.brightness += share * (frame.brightness_mean - self.brightness)
        return verdicts


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
