"""From verdicts to faults: one odd frame opens nothing, one good frame closes nothing.

What is suspected stays so while two of three verdicts speak for it: a lorry may hide for a second what is wrong.
"""

from dataclasses import dataclass
from typing import Any

from cvops_monitoring.health.faults import ChangeState, Fault, FaultChange, FaultKind, Verdict

_PATIENCE = 3.0
"""Seconds without a verdict after which what was suspected is forgotten, in units of the wait for the fault."""
_WORTH_TELLING = 2.0
_MISSED_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Wait:
    """How long a fault must be seen before it opens.

    Attributes:
        seconds: from the first to the last verdict, in s.
        checks: verdicts in a row.
    """

    seconds: float
    checks: int


@dataclass(slots=True)
class Switch:
    """Whether one fault is open. Times are steady seconds; None: not now."""

    suspected_s: float | None = None
    suspected: int = 0
    missed: int = 0
    last_s: float = 0.0
    absent_s: float | None = None
    fault: Fault | None = None
    told_s: float = 0.0

    def push(
        self,
        kind: FaultKind,
        verdict: Verdict,
        now_s: float,
        shift_s: float,
        wait: Wait,
        hold_s: float,
        update_s: float,
    ) -> list[FaultChange]:
        """Takes one verdict.

        Args:
            kind: of the fault.
            verdict: of the detector.
            now_s: steady seconds.
            shift_s: clock of the camera minus steady seconds.
            wait: before it opens.
            hold_s: how long it must be absent before it closes, in s.
            update_s: after which an open fault is told again, in s.
        """
        if not verdict.present:
            return self._absent(now_s, hold_s)
        if self.fault is not None:
            return self._still(verdict, now_s, update_s)
        if self.suspected_s is None or now_s - self.last_s > _PATIENCE * max(wait.seconds, 1.0):
            self.suspected_s, self.suspected, self.missed = now_s, 0, 0
        self.suspected += 1
        self.last_s, self.absent_s = now_s, None
        if self.suspected < wait.checks or now_s - self.suspected_s < wait.seconds:
            return []
        since_s = self.suspected_s if verdict.since_s is None else verdict.since_s
        self.fault, self.told_s = _fault(kind, verdict, since_s + shift_s, now_s + shift_s), now_s
        return [FaultChange(ChangeState.OPENED, self.fault)]

    def close(self) -> list[FaultChange]:
        """Closes the fault now and forgets what was suspected."""
        fault, self.fault, self.absent_s = self.fault, None, None
        self.suspected_s, self.suspected, self.missed = None, 0, 0
        return [] if fault is None else [FaultChange(ChangeState.CLOSED, fault)]

    def _absent(self, now_s: float, hold_s: float) -> list[FaultChange]:
        if self.fault is None:
            self.missed += 1
            return self.close() if self.missed > _MISSED_SHARE * self.suspected else []
        if self.absent_s is None:
            self.absent_s = now_s
        return self.close() if now_s - self.absent_s >= hold_s else []

    def _still(self, verdict: Verdict, now_s: float, update_s: float) -> list[FaultChange]:
        assert self.fault is not None
        self.last_s, self.absent_s = now_s, None
        # In another unit (px, then degrees) an effect cannot be compared; that alone is worth no word.
        same = verdict.unit == self.fault.unit
        grown = same and abs(verdict.effect) >= _WORTH_TELLING * abs(self.fault.effect) > 0
        if not grown and now_s - self.told_s < update_s:
            return []
        self.fault = _fault(self.fault.kind, verdict, self.fault.since_s, self.fault.seen_s)
        self.told_s = now_s
        return [FaultChange(ChangeState.UPDATED, self.fault)]

    def to_state(self) -> dict[str, Any]:
        """As plain values."""
        state = {
            name: getattr(self, name) for name in ("suspected_s", "suspected", "missed", "last_s", "absent_s", "told_s")
        }
        return {**state, "fault": None if self.fault is None else self.fault.to_state()}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Switch":
        """The switch that `to_state` described."""
        fault = None if state["fault"] is None else Fault.from_state(state["fault"])
        return cls(**{**state, "fault": fault})


def _fault(kind: FaultKind, verdict: Verdict, since_s: float, seen_s: float) -> Fault:
    return Fault(
        kind=kind,
        since_s=since_s,
        seen_s=seen_s,
        statistic=float(verdict.statistic),
        threshold=float(verdict.threshold),
        effect=float(verdict.effect),
        unit=verdict.unit,
        text=verdict.text,
        details={name: float(value) for name, value in verdict.details.items()},
    )
