"""The open incidents and alarms of one project, and what events, time and people make of them. Knows no database."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from cvops_alerting.incidents.alarms import Closing, as_alarm, closed, merged, stamp
from cvops_alerting.incidents.grouping import Alarm, Group, Rules, arrange
from cvops_alerting.incidents.sharing import Attributes, Shared, is_whole_fleet, separating
from cvops_alerting.incidents.wording import onset, title_of
from cvops_protos.v1.alerting_pb2 import Incident
from cvops_protos.v1.drift_pb2 import DriftEvent

AGAIN_WITHIN = timedelta(minutes=10)
"""An incident that comes back so soon after its end says so."""
_MOST_ALARMS, _MOST_WHOLE = 5000, 100
_TOLD = (Incident.STATE_FIRING, Incident.STATE_ACKNOWLEDGED)


@dataclass(slots=True)
class Held:
    """An alarm with its place.

    Attributes:
        event: its newest.
        incident_id: where it belongs; empty: nowhere.
        moves: how often it was placed.
    """

    event: DriftEvent
    incident_id: str = ""
    moves: int = 0

    @property
    def is_open(self) -> bool:
        """Whether it lasts."""
        return self.event.state != DriftEvent.STATE_CLOSED


@dataclass(slots=True)
class Book:
    """One project.

    Attributes:
        project: its name.
        measure: what estimated harm is of: "precision" or "accuracy".
        fleet: its cameras.
        alarms: that are open, or belong to an open incident, by id.
        incidents: that are not resolved, by id; what is resolved here stays in it.
        ended: incidents that were resolved a short time ago.
        changed_alarms: ids of what has to be written.
        changed_incidents: likewise.
    """

    project: str
    measure: str
    fleet: Attributes
    alarms: dict[str, Held] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)
    ended: Sequence[Incident] = ()
    changed_alarms: set[str] = field(default_factory=set)
    changed_incidents: set[str] = field(default_factory=set)

    def take(self, sign: DriftEvent | Closing) -> None:
        """Takes in what was told; twice is as good as once."""
        if isinstance(sign, Closing):
            for held in list(self.alarms.values()):
                if self._is_over(held, sign):
                    self._put(closed(held.event, sign))
            return
        self._put(sign)

    def settle(self, rules: Rules, pending_s: float, now: datetime) -> None:
        """Finds every alarm its incident, ends what is over, and fires what has lasted."""
        self._arrange(rules, now)
        for incident_id in self._touched():
            self._refresh(incident_id, now)
        for incident in self.incidents.values():
            if incident.state != Incident.STATE_PENDING:
                continue
            lasted = now - incident.opened_at.ToDatetime(UTC) >= timedelta(seconds=pending_s)
            if lasted or incident.severity == DriftEvent.SEVERITY_CRITICAL:
                incident.state = Incident.STATE_FIRING
                self.changed_incidents.add(incident.incident_id)

    def acknowledge(self, incident_id: str, by: str, note: str) -> None:
        """Somebody looks after it."""
        incident = self.incidents[incident_id]
        incident.state, incident.by = Incident.STATE_ACKNOWLEDGED, by
        incident.note = note or incident.note
        self.changed_incidents.add(incident_id)

    def resolve(self, incident_id: str, by: str, note: str, now: datetime) -> None:
        """It is over. Its alarms, open or not, have been dealt with."""
        incident = self.incidents[incident_id]
        incident.state, incident.by = Incident.STATE_RESOLVED, by
        incident.note = note or incident.note
        incident.resolved_at.FromDatetime(now)
        self.changed_incidents.add(incident_id)
        self.changed_alarms |= {name for name, held in self.alarms.items() if held.incident_id == incident_id}

    def set_episode(self, incident_id: str, episode_id: str) -> None:
        """Something is done about it."""
        if self.incidents[incident_id].episode_id != episode_id:
            self.incidents[incident_id].episode_id = episode_id
            self.changed_incidents.add(incident_id)

    # -- alarms ------------------------------------------------------------------------------------------------

    def _is_over(self, held: Held, closing: Closing) -> bool:
        alarm = held.event
        return (
            held.is_open
            and alarm.signal == closing.signal
            and closing.camera_id in ("", alarm.camera_id)
            and alarm.since.ToNanoseconds() < closing.at.ToNanoseconds()
        )

    def _put(self, event: DriftEvent) -> None:
        held = self.alarms.get(event.alarm_id)
        now = merged(held.event if held is not None else None, event)
        if now is None:
            return
        if held is None:
            self.alarms[event.alarm_id] = Held(now)
        else:
            held.event = now
        self.changed_alarms.add(event.alarm_id)

    # -- grouping ----------------------------------------------------------------------------------------------

    def _arrange(self, rules: Rules, now: datetime) -> None:
        open_ones = {name: each for name, each in self.incidents.items() if each.state != Incident.STATE_RESOLVED}
        groups = [
            Group(name, each.kind, each.opened_at.ToNanoseconds() / 1e9, bool(each.episode_id))
            for name, each in open_ones.items()
        ]
        alarms = [
            as_alarm(held.event, held.incident_id)
            for held in self.alarms.values()
            if held.is_open or held.incident_id in open_ones
        ]
        found = arrange(alarms, groups, self.fleet, rules, now.timestamp(), self._new_id)
        for incident_id in found.kinds.keys() - self.incidents.keys():
            self._open(incident_id, found.kinds[incident_id], now)
        for alarm_id, incident_id in found.members.items():
            held = self.alarms[alarm_id]
            if held.incident_id != incident_id:
                self.changed_incidents |= {incident_id} | ({held.incident_id} if held.incident_id else set())
                held.incident_id, held.moves = incident_id, held.moves + 1
                self.changed_alarms.add(alarm_id)
        for old, new in found.merged.items():
            if old in open_ones:
                self.resolve(old, "cvops", f"belongs to incident {new[:8]}", now)

    def _new_id(self, kind: str, alarm: Alarm) -> str:
        moves = self.alarms[alarm.alarm_id].moves
        return sha256(f"{self.project}\0{kind}\0{alarm.alarm_id}\0{moves}".encode()).hexdigest()[:32]

    def _open(self, incident_id: str, kind: str, now: datetime) -> None:
        self.incidents[incident_id] = Incident(
            incident_id=incident_id,
            project=self.project,
            kind=kind,
            state=Incident.STATE_PENDING,
            opened_at=stamp(now),
        )
        self.changed_incidents.add(incident_id)

    def _touched(self) -> list[str]:
        """Incidents whose alarms changed, or that got or lost some."""
        names = set(self.changed_incidents) | {self.alarms[name].incident_id for name in self.changed_alarms}
        return sorted(
            name for name in names if name in self.incidents and self.incidents[name].state != Incident.STATE_RESOLVED
        )

    # -- what an incident says ---------------------------------------------------------------------------------

    def _refresh(self, incident_id: str, now: datetime) -> None:
        incident = self.incidents[incident_id]
        held = sorted(
            (each for each in self.alarms.values() if each.incident_id == incident_id),
            key=lambda each: (each.event.since.ToNanoseconds(), each.event.alarm_id),
        )
        if not held:
            return
        events = [each.event for each in held]
        cameras = sorted({each.camera_id for each in events if each.camera_id})
        shared = self._shared(incident.kind, events, cameras)
        incident.severity = max(each.severity for each in events)
        incident.since.CopyFrom(onset(events))
        del incident.cameras[:], incident.alarms[:], incident.shared[:]
        incident.cameras.extend(cameras)
        incident.alarms.extend(_slim(events))
        incident.shared.extend([str(shared)] if shared is not None else [])
        incident.title = title_of(incident.kind, self.project, cameras, events, shared, self.measure)
        incident.fingerprint = f"{self.project}/{incident.kind}/{_mark(events, cameras, shared)}"
        if incident.revision == 0 and not incident.note:
            incident.note = self._again(incident, now)
        self.changed_incidents.add(incident_id)
        if not any(each.is_open for each in held):
            self.resolve(incident_id, "recovered", "", now)

    def _shared(self, kind: str, events: Sequence[DriftEvent], cameras: Sequence[str]) -> Shared | None:
        """What separates its cameras; of a fault, all cameras that have it count, whatever incident they are in."""
        ill = set(cameras)
        if kind == "camera":
            signals = {event.signal for event in events if event.kind == DriftEvent.KIND_UPSTREAM}
            ill |= {
                each.event.camera_id for each in self.alarms.values() if each.is_open and each.event.signal in signals
            }
        if len(cameras) < 2 or is_whole_fleet(ill, self.fleet):
            return None
        found = separating(ill, self.fleet, None)
        mine = [self.fleet[camera].get(found.name) for camera in cameras if camera in self.fleet] if found else []
        return found if found is not None and set(mine) == {found.value} else None

    def _again(self, incident: Incident, now: datetime) -> str:
        """A note when the same was resolved a short time ago."""
        for before in self.ended:
            since = now - before.resolved_at.ToDatetime(UTC)
            same = before.fingerprint == incident.fingerprint or set(before.cameras) & set(incident.cameras)
            if before.kind == incident.kind and same and before.by != "cvops" and since < AGAIN_WITHIN:
                return f"again, {since.total_seconds():.0f} s after incident {before.incident_id[:8]} was resolved"
        return ""


def _mark(events: Sequence[DriftEvent], cameras: Sequence[str], shared: Shared | None) -> str:
    """What stands for the members of an incident in its fingerprint."""
    if shared is not None:
        return str(shared)
    return f"camera_id={'|'.join(cameras[:20])}" if cameras else events[0].signal


def _slim(events: Sequence[DriftEvent]) -> list[DriftEvent]:
    """Alarms as they travel in the incident: in a large one the later ones without what only reports show."""
    slim = list(events[:_MOST_WHOLE])
    for event in events[_MOST_WHOLE:_MOST_ALARMS]:
        bare = DriftEvent()
        bare.CopyFrom(event)
        for name in ("histogram", "exemplars", "why", "coincides", "open_signals"):
            bare.ClearField(name)
        slim.append(bare)
    return slim


def is_told(incident: Incident) -> bool:
    """Whether people know of it and it is not over."""
    return incident.state in _TOLD
