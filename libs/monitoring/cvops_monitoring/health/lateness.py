"""Frames that arrive late, and clocks that are wrong.

Received minus captured is compared with its mean in the first frames. A clock cannot be told from the way of a frame by
one frame, but it can by two: a clock jumps between two frames of which the second arrives as fast as ever. Frames that
are many seconds late come from a backlog, or by a clock that is wrong; as the backlog melts the reference moves along.
"""

import math
from dataclasses import dataclass

from cvops_monitoring.health.clock import Step
from cvops_monitoring.health.faults import FaultKind, Verdict, Verdicts
from cvops_monitoring.health.settings import HealthSettings

_RECENT_S = 5.0
_CREDIBLE_S = 10.0
_DEVIATIONS = 6.0


@dataclass(slots=True)
class Lateness:
    """Received minus captured of one camera.

    Attributes:
        n: frames learned from.
        first_s: steady seconds of the first of them.
        mean_s: of received minus captured, in s; squares: sum of squared deviations.
        squares: see `mean_s`.
        learned: the reference is settled.
        offset_s: what jumps of the clock added to received minus captured since, in s.
        recent_s: mean of about five seconds without `offset_s`, in s.
    """

    n: int = 0
    first_s: float = 0.0
    mean_s: float = 0.0
    squares: float = 0.0
    learned: bool = False
    offset_s: float = 0.0
    recent_s: float = 0.0

    def least_s(self, settings: HealthSettings) -> float:
        """Received minus captured below which the clock must be wrong, in s."""
        mean_s = self.mean_s if self.n and self.mean_s <= _CREDIBLE_S else 0.0
        return mean_s + self.offset_s - self._tolerance(settings.clock_s)

    def push(self, lateness_s: float, step: Step, settings: HealthSettings) -> Verdicts:
        """Takes received minus captured of the next frame."""
        if abs(step.jumped_s) >= settings.clock_s:
            self._jump(lateness_s, step.jumped_s)
        if self._catches_up(lateness_s - self.offset_s, settings):
            self.n, self.squares, self.mean_s, self.learned = 0, 0.0, 0.0, False
        if not self.learned:
            self._learn(lateness_s - self.offset_s, step.now_s, settings)
        weight = min(1.0, step.elapsed_s / _RECENT_S) if self.n > 1 else 1.0
        self.recent_s += weight * (lateness_s - self.offset_s - self.recent_s)
        verdicts = {FaultKind.CLOCK_OFFSET: self._clock(settings)}
        if self.learned:
            verdicts[FaultKind.LATE] = self._late(settings)
        return verdicts

    def _catches_up(self, lateness_s: float, settings: HealthSettings) -> bool:
        """Whether what was learned is the lateness of a backlog that melts away."""
        return self.n > 0 and self.mean_s > _CREDIBLE_S and lateness_s < self.mean_s - settings.late_s

    def _jump(self, lateness_s: float, jumped_s: float) -> None:
        self.offset_s -= jumped_s
        was_credible = -1.0 <= self.mean_s <= _CREDIBLE_S
        if -1.0 <= lateness_s <= _CREDIBLE_S and not was_credible:
            # The clock has been set right: what was learned by the wrong one moves along.
            self.mean_s += self.offset_s
            self.recent_s += self.offset_s
            self.offset_s = 0.0

    def _learn(self, lateness_s: float, now_s: float, settings: HealthSettings) -> None:
        if self.n == 0:
            self.first_s = now_s
        self.n += 1
        delta = lateness_s - self.mean_s
        self.mean_s += delta / self.n
        self.squares += delta * (lateness_s - self.mean_s)
        self.learned = self.n >= settings.reference_frames and now_s - self.first_s >= settings.reference_s

    def _tolerance(self, least_s: float) -> float:
        return max(least_s, _DEVIATIONS * math.sqrt(self.squares / self.n) if self.n else 0.0)

    def _late(self, settings: HealthSettings) -> Verdict:
        tolerance = self._tolerance(settings.late_s)
        late_s = self.recent_s - self.mean_s
        return Verdict(
            present=late_s > tolerance,
            statistic=self.recent_s,
            threshold=self.mean_s + tolerance,
            effect=late_s,
            unit="s",
            text=f"frames arrive {self.recent_s:.3g} s after capture instead of {self.mean_s:.2g} s",
            details={"lateness_s": self.recent_s, "reference_lateness_s": self.mean_s},
        )

    def _clock(self, settings: HealthSettings) -> Verdict:
        lateness_s = self.recent_s + self.offset_s
        early_s = min(lateness_s, self.recent_s - self.mean_s) if self.learned else lateness_s
        ahead = early_s < -self._tolerance(settings.clock_s)
        jumped = abs(self.offset_s) >= settings.clock_s
        offset_s = -self.offset_s if jumped else max(-early_s, 0.0)
        return Verdict(
            present=jumped or ahead,
            statistic=abs(offset_s),
            threshold=settings.clock_s,
            effect=offset_s,
            unit="s",
            text=f"the camera's clock {'jumped' if jumped else 'is'} {abs(offset_s):.3g} s "
            f"{'ahead' if offset_s > 0 else 'back'}",
            details={"offset_s": offset_s, "lateness_s": lateness_s},
        )
