"""Moved: the camera looks elsewhere than its reference view does, and keeps to it."""

import math
from dataclasses import dataclass, field
from typing import Any

from cvops_monitoring.health.faults import FaultKind, Verdict, Verdicts
from cvops_monitoring.health.registration import (
    Displacement,
    Similarity,
    explains,
    shift_between,
    similarity_between,
)
from cvops_monitoring.health.settings import HealthSettings
from cvops_monitoring.health.transmission import is_elsewhere
from cvops_monitoring.health.view import View

_AGREE_PX, _AGREE_DEG, _AGREE_ZOOM = 3.0, 0.8, 0.02
_LARGE_PX, _LARGE_DEG = 40.0, 10.0
"""From here on the depth of the scene shows, so that no similarity fits it all: zoom scatters, or nothing is found."""
_SWAY_PX = 8.0
_SURE = 2.0
"""A shift without key points to back it needs so many times the usual response."""
_GAIN = 0.03
_SILENT_S = 30.0
_FOUND_POINTS = 3
"""The reference must have so many times the least inliers as key points, for "nothing of it is found" to mean much."""
_LOST = Displacement(math.nan, math.nan, math.nan, math.nan)


@dataclass(slots=True)
class Movement:
    """Decisions of the last checks. Steady seconds.

    Attributes:
        agreed: moves that agree with each other, as [time, right px, down px, left degrees, zoom], oldest first;
            NaN: nothing of the reference is in the picture.
        features_s: when key points were last matched; None: never.
        sway: shift at the last check, to the right and down in px, if it was small.
    """

    agreed: list[list[float]] = field(default_factory=list)
    features_s: float | None = None
    sway: tuple[float, float] = (0.0, 0.0)

    @property
    def suspected(self) -> bool:
        """A move was seen at the last decision, so what depends on place does not compare."""
        return bool(self.agreed)

    @property
    def small(self) -> bool:
        """The move that is seen is so small that sharpness and edges still compare."""
        return (
            bool(self.agreed) and math.hypot(self.agreed[-1][1], self.agreed[-1][2]) < 8 and self.agreed[-1][4] < 1.05
        )

    def push(self, reference: View, now: View, now_s: float, scale: float, settings: HealthSettings) -> Verdicts:
        """Compares two views of one size.

        Args:
            reference: where the camera should look.
            now: where it looks.
            now_s: steady seconds.
            scale: px of the full picture that one px of the view is.
            settings: thresholds.
        """
        decided = self._decide(reference, now, now_s, settings)
        if decided is None:
            return {}
        if not is_move(decided, settings):
            self.agreed = []
            return {FaultKind.MOVED: Verdict(present=False, statistic=decided.shift_px, threshold=settings.moved_px)}
        self._agree(decided, now_s)
        measured = [each for each in self.agreed if not math.isnan(each[1])]
        sure = len(measured) >= settings.moved_decisions and measured[-1][0] - measured[0][0] >= settings.moved_s
        first_s = self.agreed[0][0]
        if not sure and (len(self.agreed) < settings.moved_decisions or now_s - first_s < settings.lost_s):
            return {}
        told = Displacement(*measured[-1][1:]) if sure else decided
        return {FaultKind.MOVED: _verdict(told, first_s, scale, settings)}

    def _decide(self, reference: View, now: View, now_s: float, settings: HealthSettings) -> Displacement | None:
        """None: it cannot be told; `_LOST`: nothing of the reference is there."""
        shift = shift_between(reference, now)
        clear = shift.response >= settings.response
        still = clear and shift.displacement.shift_px < settings.moved_px
        small = clear and shift.displacement.shift_px < _SWAY_PX
        self.sway = _in_quarters(shift.displacement) if small else (0.0, 0.0)
        due = self.features_s is None or now_s - self.features_s >= settings.features_s
        if still and not due and not self.agreed:
            return shift.displacement
        self.features_s = now_s
        similarity = similarity_between(reference, now, settings.inliers)
        found = similarity.displacement
        if found is not None and (not is_move(found, settings) or explains(reference, now, found, _GAIN)):
            return found
        if still:
            return shift.displacement
        if shift.response >= _SURE * settings.response and explains(reference, now, shift.displacement, _GAIN):
            return shift.displacement
        return _LOST if _is_lost(reference, similarity, clear, settings) or is_elsewhere(reference, now) else None

    def _agree(self, decided: Displacement, now_s: float) -> None:
        values = [now_s, decided.right_px, decided.down_px, decided.left_deg, decided.zoom]
        recent = [each for each in self.agreed if _alike(each, values)]
        if not self.agreed or now_s - self.agreed[-1][0] > _SILENT_S or len(recent) < len(self.agreed):
            self.agreed = recent if recent and now_s - recent[-1][0] <= _SILENT_S else []
        self.agreed = [*self.agreed[:1], *self.agreed[1:][-7:], values]

    def to_state(self) -> dict[str, Any]:
        """As plain values."""
        return {"agreed": [list(each) for each in self.agreed], "features_s": self.features_s}


def is_move(displacement: Displacement, settings: HealthSettings) -> bool:
    """Larger than what a camera may move unnoticed; a lost view is."""
    return not (
        displacement.shift_px < settings.moved_px
        and abs(displacement.left_deg) < settings.moved_deg
        and abs(displacement.zoom - 1) < settings.moved_zoom
    )


def _in_quarters(shift: Displacement) -> tuple[float, float]:
    """In quarter px: below that it does not matter, and the transform rounds by where its input lies in memory."""
    return round(4 * shift.right_px) / 4, round(4 * shift.down_px) / 4


def _is_lost(reference: View, similarity: Similarity, clear: bool, settings: HealthSettings) -> bool:
    points = len(reference.features[0])
    enough = points >= _FOUND_POINTS * settings.inliers and similarity.points >= points / 2
    return enough and not clear and similarity.inliers < settings.inliers


def _alike(a: list[float], b: list[float]) -> bool:
    if math.isnan(a[1]) or math.isnan(b[1]):
        return all(math.isnan(each[1]) or _is_large(each) for each in (a, b))
    zoom = _AGREE_ZOOM * (3 if _is_large(a) and _is_large(b) else 1)
    near = math.hypot(a[1] - b[1], a[2] - b[2]) < _AGREE_PX + 0.05 * math.hypot(b[1], b[2])
    return near and abs(a[3] - b[3]) < _AGREE_DEG + 0.05 * abs(b[3]) and abs(a[4] - b[4]) < zoom


def _is_large(move: list[float]) -> bool:
    return math.hypot(move[1], move[2]) >= _LARGE_PX or abs(move[3]) >= _LARGE_DEG


def _verdict(decided: Displacement, since_s: float, scale: float, settings: HealthSettings) -> Verdict:
    if math.isnan(decided.right_px):
        text = "the view is another: nothing of the reference is in it"
        return Verdict(True, 0.0, settings.inliers, 100.0, "%", text, since_s=since_s)
    right, down = decided.right_px * scale, decided.down_px * scale
    turned = abs(decided.left_deg) >= settings.moved_deg
    return Verdict(
        present=True,
        statistic=abs(decided.left_deg) if turned else decided.shift_px,
        threshold=settings.moved_deg if turned else settings.moved_px,
        effect=abs(decided.left_deg) if turned else math.hypot(right, down),
        unit="deg" if turned else "px",
        text=_sentence(decided, right, down, settings),
        details={"right_px": right, "down_px": down, "left_deg": decided.left_deg, "zoom": decided.zoom},
        since_s=since_s,
    )


def _sentence(decided: Displacement, right: float, down: float, settings: HealthSettings) -> str:
    parts = []
    if abs(decided.left_deg) >= settings.moved_deg:
        parts.append(f"turned {abs(decided.left_deg):.1f} degrees to the {'left' if decided.left_deg > 0 else 'right'}")
    if decided.shift_px >= settings.moved_px:
        across, along = ("right" if right > 0 else "left"), ("down" if down > 0 else "up")
        parts.append(f"moved {abs(right):.0f} px {across} and {abs(down):.0f} px {along}")
    if abs(decided.zoom - 1) >= settings.moved_zoom:
        parts.append(f"zoom {decided.zoom:.2f}")
    return "the picture " + ", ".join(parts)
