"""Day, night and infra-red: what a camera sees by night is not compared with what it sees by day."""

from dataclasses import dataclass

from cvops_monitoring.health.frame import HealthFrame
from cvops_monitoring.health.settings import HealthSettings

DAY, NIGHT, INFRARED = "day", "night", "infrared"
_CHECKS = 3


@dataclass(slots=True)
class Regime:
    """Brightness regime of one camera, with hysteresis. Steady seconds.

    Attributes:
        name: "day", "night" or "infrared"; "": not known yet.
        candidate: what the last checks look like, if it is another; "": the same.
        candidate_s: since when.
        checks: of the candidate.
        brightness: mean luma of about the last minute, before the candidate.
        fell_from: what `brightness` was when the present regime began.
    """

    name: str = ""
    candidate: str = ""
    candidate_s: float = 0.0
    checks: int = 0
    brightness: float = 0.0
    fell_from: float = 0.0

    @property
    def settled(self) -> bool:
        """The last check is of the present regime."""
        return bool(self.name) and not self.candidate

    def push(self, frame: HealthFrame, now_s: float, elapsed_s: float, held: bool, settings: HealthSettings) -> bool:
        """Takes one check; true: another regime began.

        Args:
            frame: the check.
            now_s: steady seconds.
            elapsed_s: since the check before.
            held: something hides the view, so no regime begins.
            settings: thresholds.
        """
        looks = self.looks(frame, settings)
        if looks == self.name:
            weight = min(1.0, elapsed_s / 60.0) if self.brightness else 1.0
            self.brightness += weight * (frame.brightness_mean - self.brightness)
        if looks == self.name or held:
            self.candidate = ""
            return False
        if looks != self.candidate:
            self.candidate, self.candidate_s, self.checks = looks, now_s, 0
        self.checks += 1
        if self.name and (self.checks < _CHECKS or now_s - self.candidate_s < settings.regime_s):
            return False
        self.fell_from, self.brightness = self.brightness, frame.brightness_mean
        self.name, self.candidate = looks, ""
        return True

    def looks(self, frame: HealthFrame, settings: HealthSettings) -> str:
        """What this check looks like by itself."""
        if frame.brightness_p99 < settings.dark_p99:
            return self.name or NIGHT
        grey = settings.colour_saturation if self.name == INFRARED else settings.grey_saturation
        if frame.saturation < grey:
            return INFRARED
        return NIGHT if frame.brightness_mean < self._night_below(settings) else DAY

    def _night_below(self, settings: HealthSettings) -> float:
        return settings.day_brightness if self.name == NIGHT else settings.night_brightness
