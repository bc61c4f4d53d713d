"""Frozen: the same pixels again and again.

Pixels are the same if the encoded pictures are, or if all statistics of the picture are equal to the last bit. A small
mean difference is not enough: a live camera on a still scene has that too, and its coder repeats up to six frames of
ten exactly. A frozen picture that was coded anew repeats all but its key frames. Between the two decides a CUSUM of
repeats (Page 1954; null .6, alternative .97), counted in seconds. A camera that repeats more while it lives is known by
its runs that ended, and is given three times as long.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from cvops_monitoring.health.clock import Step
from cvops_monitoring.health.faults import FaultKind, Verdict, Verdicts
from cvops_monitoring.health.frame import HealthFrame
from cvops_monitoring.health.settings import HealthSettings

_FLAT = 8.0
"""p99 - p1 of luma under which a picture shows nothing: black frames are equal, and not frozen but dark."""
_AGAINST = 5.5
"""One frame that is new weighs as so many that are not: log(.4 / .03) / log(.97 / .6)."""
_LONGEST_S = 60.0
"""However often the live camera repeats itself, this long is frozen, in s."""


@dataclass(slots=True)
class Frozen:
    """Repeats of one camera. Steady seconds.

    Attributes:
        sha256: of the last encoded picture.
        pixels: fingerprint of its statistics.
        evidence_s: CUSUM: time spent on repeats, less what is held against it.
        peak_s: its greatest value since it was zero.
        since_s: when it last was zero.
        frames: since then.
        first_s: of the first frame at all; None: there was none.
        live_s: greatest peak of a run that ended before it was frozen, in s.
    """

    sha256: str = ""
    pixels: bytes = b""
    evidence_s: float = 0.0
    peak_s: float = 0.0
    since_s: float = 0.0
    frames: int = 0
    first_s: float | None = None
    live_s: float = 0.0

    def suspected(self, settings: HealthSettings) -> bool:
        """Nothing is to be learned from such pictures."""
        return self.evidence_s >= settings.frozen_s

    def push(self, frame: HealthFrame, step: Step, settings: HealthSettings) -> Verdicts:
        """Takes the next frame; no verdict on a picture that shows nothing."""
        if self.first_s is None:
            self.first_s = step.now_s
        pixels = fingerprint(frame)
        repeated = frame.sha256 == self.sha256 or pixels == self.pixels
        self.sha256, self.pixels = frame.sha256, pixels
        least_s = self._least_s(step.now_s, settings)
        if frame.brightness_p99 - frame.brightness_p1 < _FLAT:
            self._begin(step.now_s)
            return {}
        self._accumulate(repeated, step, least_s)
        present = self.evidence_s >= least_s and self.frames >= settings.frozen_frames
        return {FaultKind.FROZEN: self._verdict(present, step.now_s, least_s)}

    def _accumulate(self, repeated: bool, step: Step, least_s: float) -> None:
        gain = step.elapsed_s if repeated else -_AGAINST * step.elapsed_s
        self.evidence_s = min(self.evidence_s + gain, 2 * least_s)
        self.frames += 1
        self.peak_s = max(self.peak_s, self.evidence_s)
        if self.evidence_s <= 0:
            if self.peak_s < least_s:
                self.live_s = max(self.live_s, self.peak_s)
            self._begin(step.now_s)

    def _begin(self, now_s: float) -> None:
        self.evidence_s, self.peak_s, self.since_s, self.frames = 0.0, 0.0, now_s, 1

    def _least_s(self, now_s: float, settings: HealthSettings) -> float:
        new = self.first_s is None or now_s - self.first_s < settings.reference_s
        least_s = settings.frozen_unknown_s if new else settings.frozen_s
        return max(least_s, min(settings.frozen_live * self.live_s, _LONGEST_S))

    def _verdict(self, present: bool, now_s: float, least_s: float) -> Verdict:
        shown_s = now_s - self.since_s
        return Verdict(
            present=present,
            statistic=self.evidence_s,
            threshold=least_s,
            effect=shown_s,
            unit="s",
            text=f"the same picture for {shown_s:.3g} s, {self.frames} times",
            details={"frames": self.frames},
            since_s=self.since_s,
        )


def fingerprint(frame: HealthFrame) -> bytes:
    """16 bytes that are equal for equal pixels, and practically only then."""
    numbers = (frame.brightness_mean, frame.saturation, frame.contrast, frame.sharpness, frame.cast_a, frame.cast_b)
    edges = np.asarray(frame.edge_energy, np.float32).tobytes()
    return hashlib.blake2b(np.array(numbers, np.float64).tobytes() + edges, digest_size=16).digest()
