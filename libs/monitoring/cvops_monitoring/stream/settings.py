"""What a user chooses about monitoring."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MonitorSettings:
    """Settings of one camera and model.

    Attributes:
        false_alarm_days: wished days between false alarms, per camera and model.
        spacing_s: frames closer together are skipped, in s: they would say the same again; 0: every frame counts.
        reference_frames: frames (after skipping) that the first reference is made of.
        reference_span_s: time that the reference must cover to be settled, in s; until then it is provisional.
            86,400 sees each hour of a day; 0: the first reference is settled at once.
        max_dims: whitened features of the embedding at most.
        hold_s: how long a signal must be back before its alarm closes, in s.
        update_s: an open alarm is told again after this time, in s.
        regime_s: a regime without a reference is told after this time, in s.
    """

    false_alarm_days: float = 30.0
    spacing_s: float = 1.0
    reference_frames: int = 1024
    reference_span_s: float = 86_400.0
    max_dims: int = 64
    hold_s: float = 60.0
    update_s: float = 300.0
    regime_s: float = 30.0

    def arl(self, spacing_s: float) -> float:
        """Wished average run length in frames that are `spacing_s` apart."""
        return max(self.false_alarm_days * 86_400.0 / max(spacing_s, 1e-3), 1_000.0)
