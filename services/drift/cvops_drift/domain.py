"""Domain drift of one camera and model: compared once for each reference, against training data and other cameras."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cvops_monitoring.domain.e_values import e_bh_threshold
from cvops_monitoring.domain.fleet import FleetVerdict, against_fleet
from cvops_monitoring.domain.hotelling import Moments
from cvops_monitoring.domain.signature import Signature
from cvops_monitoring.domain.training import TrainingVerdict, against_training
from cvops_monitoring.domain.unlike import Unlike, unlike_features
from cvops_monitoring.plain import from_plain, to_plain
from cvops_monitoring.stream.regimes import CameraModelMonitor
from cvops_monitoring.stream.warm_up import BLOCK

TRAINING, FLEET = "domain.training", "domain.fleet"
_BELONGS = 1.0
"""Evidence below which an open alarm closes: nothing speaks for a difference any more."""


@dataclass(frozen=True, slots=True)
class DomainVerdict:
    """What a comparison said; decided once for a reference and kept, so that a replay cannot decide otherwise.

    Attributes:
        regime: "day", "night" or "infrared".
        reference: key of the reference that was compared.
        begin_s: of the reference's first frame, UTC seconds; end_s: of its last.
        training: None: the bundle says nothing of its training data, or the model gives no embedding.
        training_needed: evidence that names a camera, by e-BH over all cameras.
        fleet: None: fewer than four other cameras are known.
        fleet_needed: likewise.
        unlike: readable features in which it is far from the other cameras.
    """

    regime: str
    reference: str
    begin_s: float
    end_s: float
    training: TrainingVerdict | None
    training_needed: float
    fleet: FleetVerdict | None
    fleet_needed: float
    unlike: tuple[Unlike, ...]

    def evidence(self, signal: str) -> tuple[float, float] | None:
        """Evidence of a signal, and what would name the camera; None: it was not compared."""
        found, needed = (self.training, self.training_needed) if signal == TRAINING else (self.fleet, self.fleet_needed)
        return None if found is None else (found.evidence, needed)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another camera that the same model looks through, in the same light; evidence is NaN where it has none."""

    camera_id: str
    signature: Signature
    training_evidence: float
    fleet_evidence: float


@dataclass(frozen=True, slots=True)
class Undecided:
    """A reference that was not compared yet."""

    camera_id: str
    bundle_sha256: str
    regime: str
    reference: str
    begin_s: float
    end_s: float
    signature: Signature


@dataclass(frozen=True, slots=True)
class DomainAlarm:
    """An open alarm; `reference` is the one that opened it."""

    signal: str
    regime: str
    reference: str
    since_s: float
    opened_s: float
    peak: float


def decide(
    new: Undecided, training: Moments | None, others: Sequence[Neighbour], cameras: int, alpha: float
) -> DomainVerdict:
    """Compares a camera.

    Args:
        new: the camera.
        training: of the bundle; None: not known.
        others: that are known.
        cameras: how many there are in all, as the registry says.
        alpha: false discovery rate over cameras.
    """
    own = new.signature
    trained = against_training(training, own.frames, own.mean) if training is not None else None
    fleet = against_fleet({each.camera_id: each.signature for each in others}, own)

    def needed(evidence: float, theirs: Iterator[float]) -> float:
        known = [evidence, *(each for each in theirs if math.isfinite(each))]
        return e_bh_threshold(known, alpha, max(cameras, len(others) + 1))

    return DomainVerdict(
        regime=new.regime,
        reference=new.reference,
        begin_s=new.begin_s,
        end_s=new.end_s,
        training=trained,
        training_needed=needed(trained.evidence if trained else 0.0, (each.training_evidence for each in others)),
        fleet=fleet,
        fleet_needed=needed(fleet.evidence if fleet else 0.0, (each.fleet_evidence for each in others)),
        unlike=tuple(unlike_features([each.signature for each in others], own)),
    )


class DomainWatch:
    """What is known of the domain of one camera and model."""

    def __init__(self) -> None:
        self.verdicts: dict[str, DomainVerdict] = {}
        self.alarms: dict[str, DomainAlarm] = {}
        self.accepted = False

    def undecided(self, monitor: CameraModelMonitor) -> list[tuple[str, str]]:
        """Regime and key of each reference that was not compared yet."""
        return [
            (str(regime), watch.reference_key)
            for regime, watch in monitor.watches.items()
            if watch.monitor is not None
            and watch.monitor.reference.frames >= BLOCK
            and (regime not in self.verdicts or self.verdicts[regime].reference != watch.reference_key)
        ]

    def take(self, verdict: DomainVerdict) -> list[tuple[str, DomainAlarm]]:
        """("opened" | "closed", alarm) of what a comparison changes.

        An alarm opens once and closes when a later reference of the camera belongs; between the two it stays as it is.
        """
        self.verdicts[verdict.regime] = verdict
        changes: list[tuple[str, DomainAlarm]] = []
        for signal in (TRAINING, FLEET):
            found = verdict.evidence(signal)
            if found is None:
                continue
            evidence, needed = found
            key = f"{signal}/{verdict.regime}"
            if key in self.alarms and evidence < _BELONGS:
                changes.append(("closed", self.alarms.pop(key)))
            elif key not in self.alarms and evidence >= needed and not self.accepted:
                alarm = DomainAlarm(
                    signal, verdict.regime, verdict.reference, verdict.begin_s, verdict.end_s, ratio(evidence, needed)
                )
                self.alarms[key] = alarm
                changes.append(("opened", alarm))
        return changes

    def accept(self) -> list[tuple[str, DomainAlarm]]:
        """The camera is as it should be: what is open closes, and does not open again for this model."""
        closed = [("closed", alarm) for alarm in self.alarms.values()]
        self.alarms, self.accepted = {}, True
        return closed

    def to_state(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "verdicts": to_plain(self.verdicts),
            "alarms": to_plain(self.alarms),
            "accepted": self.accepted,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "DomainWatch":
        """The one whose state it was."""
        watch = cls()
        watch.verdicts = {regime: verdict_from_plain(each) for regime, each in state["verdicts"].items()}
        watch.alarms = from_plain(state["alarms"], DomainAlarm)
        watch.accepted = state["accepted"]
        return watch


def ratio(evidence: float, needed: float) -> float:
    """Evidence against what names a camera, both in logarithms; 0 and more."""
    return max(0.0, math.log(max(evidence, _BELONGS)) / math.log(max(needed, math.e)))


def verdict_from_plain(value: Any) -> DomainVerdict:
    """The verdict that `to_plain` was given."""
    verdict: DomainVerdict = from_plain(value, DomainVerdict, FleetVerdict, TrainingVerdict, Unlike)
    return verdict
