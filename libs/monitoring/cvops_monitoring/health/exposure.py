"""Too little and too much light, against what was before.

Night is no fault: it falls slowly. A cap on the lens comes within seconds.
"""

from dataclasses import dataclass

from cvops_monitoring.health.faults import FaultKind, Verdict, Verdicts
from cvops_monitoring.health.frame import HealthFrame
from cvops_monitoring.health.settings import HealthSettings


@dataclass(slots=True)
class Exposure:
    """Light of one camera. Steady seconds.

    Attributes:
        bright_s: when the picture was last bright; None: never.
        fell: the present darkness came within seconds.
        black_s: since when the picture is black; None: it is not.
        bright: the picture is near white.
    """

    bright_s: float | None = None
    fell: bool = False
    black_s: float | None = None
    bright: bool = False

    def push(
        self, frame: HealthFrame, now_s: float, reference_brightness: float | None, settings: HealthSettings
    ) -> Verdicts:
        """Takes one check; `reference_brightness` is the mean luma of the regime, None if not learned."""
        return {
            FaultKind.DARK: self._dark(frame, now_s, settings),
            FaultKind.OVEREXPOSED: self._overexposed(frame, reference_brightness, settings),
        }

    def _dark(self, frame: HealthFrame, now_s: float, settings: HealthSettings) -> Verdict:
        p99 = frame.brightness_p99
        if p99 >= settings.dark_from_p99 and frame.brightness_mean >= settings.dark_from_mean:
            self.bright_s = now_s
        lately = self.bright_s is not None and now_s - self.bright_s <= settings.dark_within_s
        self.fell = p99 < settings.dark_p99 and (self.fell or lately)
        if p99 >= settings.black_p99:
            self.black_s = None
        elif self.black_s is None:
            self.black_s = now_s
        black = self.black_s is not None and now_s - self.black_s >= settings.covered_s
        return Verdict(
            present=self.fell or black,
            statistic=p99,
            threshold=settings.dark_p99 if self.fell else settings.black_p99,
            effect=100 * p99 / 255,
            unit="%",
            text=f"the picture is dark: 99 % of it is below {p99:.0f} of 255",
            details={"brightness_mean": frame.brightness_mean, "brightness_p99": p99},
        )

    def _overexposed(self, frame: HealthFrame, reference: float | None, settings: HealthSettings) -> Verdict:
        mean = frame.brightness_mean
        least = (
            settings.bright_mean if reference is None else max(settings.bright_mean, reference + settings.bright_rise)
        )
        self.bright = mean > min(least, 250.0)
        return Verdict(
            present=self.bright,
            statistic=mean,
            threshold=least,
            effect=100 * mean / 255,
            unit="%",
            text=f"the picture is over-exposed: mean brightness {mean:.0f} of 255",
            details={"brightness_mean": mean, "brightness_p1": frame.brightness_p1},
        )
