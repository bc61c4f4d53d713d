"""Too few frames per second.

Null: the time between two captures is Gamma distributed with the mean and shape learned from the first frames. Against
a mean 1 / `slow_share` times as long runs a CUSUM (Page, Continuous inspection schemes, Biometrika 1954). Frames lost
on the way do not count as slow: the time over a hole in the sequence is divided by the frames it should have held.
"""

import math
from dataclasses import dataclass

from cvops_monitoring.health.clock import Step
from cvops_monitoring.health.faults import FaultKind, Verdict, Verdicts
from cvops_monitoring.health.settings import HealthSettings

_LONGEST = 3.0
"""One pause counts as so many mean intervals at most: a break is not slowness."""
_SHAPES = (0.3, 100.0)
_RECENT_S = 10.0


@dataclass(slots=True)
class Rhythm:
    """Intervals between captures of one camera.

    Attributes:
        n: intervals learned from; seconds: their sum; squares: sum of their squares.
        seconds: see `n`.
        squares: see `n`.
        learned: the reference is settled.
        evidence: CUSUM, nats.
        since_s: when it last left zero, steady seconds.
        run_s: time since, pauses cut; run_n: intervals since.
        run_n: see `run_s`.
        recent_s: mean interval of about ten seconds, in s.
    """

    n: int = 0
    seconds: float = 0.0
    squares: float = 0.0
    learned: bool = False
    evidence: float = 0.0
    since_s: float = 0.0
    run_s: float = 0.0
    run_n: int = 0
    recent_s: float = 0.0

    def push(self, step: Step, settings: HealthSettings) -> Verdicts:
        """Takes the step to the next frame."""
        if step.frames == 0 or step.jumped_s:
            return {}
        interval_s = step.elapsed_s / step.frames
        if not self.learned:
            self._learn(interval_s, settings)
            return {}
        mean_s = self.seconds / self.n
        cut_s = min(interval_s, _LONGEST * mean_s)
        self._accumulate(cut_s, step.now_s - step.elapsed_s, mean_s, settings)
        weight = min(1.0, cut_s / _RECENT_S)
        self.recent_s += weight * (cut_s - self.recent_s)
        return self._verdict(mean_s, step.now_s, settings)

    def _learn(self, interval_s: float, settings: HealthSettings) -> None:
        self.n += 1
        self.seconds += interval_s
        self.squares += interval_s**2
        if self.n >= settings.reference_frames and self.seconds >= settings.reference_s:
            self.learned, self.recent_s = True, self.seconds / self.n

    def _shape(self) -> float:
        mean_s = self.seconds / self.n
        variation = max(self.squares / self.n - mean_s**2, 1e-12) / mean_s**2
        return min(max(1 / variation, _SHAPES[0]), _SHAPES[1])

    def _accumulate(self, interval_s: float, before_s: float, mean_s: float, settings: HealthSettings) -> None:
        share = settings.slow_share
        gain = self._shape() * (math.log(share) + (1 - share) * interval_s / mean_s)
        if self.evidence <= 0:
            self.since_s, self.run_s, self.run_n = before_s, 0.0, 0
        self.run_s += interval_s
        self.run_n += 1
        self.evidence = min(max(0.0, self.evidence + gain), 3 * settings.slow_evidence)

    def _verdict(self, mean_s: float, now_s: float, settings: HealthSettings) -> Verdicts:
        rate, was = 1 / max(self.recent_s, 1e-6), 1 / mean_s
        run_rate = self.run_n / max(self.run_s, 1e-6)
        lasting = self.run_s >= settings.slow_s and run_rate < settings.slow_share * was
        present = self.evidence > settings.slow_evidence and lasting and rate < (1 + settings.slow_share) / 2 * was
        verdict = Verdict(
            present=present,
            statistic=self.evidence,
            threshold=settings.slow_evidence,
            effect=100 * run_rate / was,
            unit="%",
            text=f"{run_rate:.2g} frames/s instead of {was:.2g}",
            details={"frames_per_s": run_rate, "reference_frames_per_s": was},
            since_s=min(self.since_s, now_s),
        )
        return {FaultKind.SLOW: verdict}
