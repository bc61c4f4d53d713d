"""Hysteresis: an alarm opens once, is told again while it lasts, and closes when the signal was back for a while."""

from dataclasses import dataclass
from enum import StrEnum


class AlarmState(StrEnum):
    """What became of an alarm."""

    OPENED = "opened"
    UPDATED = "updated"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Alarm:
    """An open alarm of one signal.

    Attributes:
        opened_s: time of the frame that opened it, UTC seconds.
        since_s: estimated time of the change.
        statistic: that opened it.
        peak: greatest statistic / threshold so far.
        told: the peak that was told last.
        told_s: when it was told last.
        calm_s: since when the signal is back; NaN: it is not.
        number: the how-manieth alarm of this signal, from 1.
    """

    opened_s: float
    since_s: float
    statistic: str
    peak: float
    told: float
    told_s: float
    calm_s: float
    number: int


OPENS_AT = 1.0
CALM_BELOW = 0.7
"""Statistic / threshold below which an average counts as back."""
_WORTH_TELLING = 2.0


def worth_telling(alarm: Alarm, now_s: float, update_s: float) -> bool:
    """An open alarm is told again after `update_s`, or at once when it has become twice as strong."""
    return now_s - alarm.told_s >= update_s or alarm.peak >= _WORTH_TELLING * alarm.told
