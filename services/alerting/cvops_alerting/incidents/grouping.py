"""Which alarms are one incident. Pure: alarms and open incidents in, membership out.

- What one camera tells at one time is one incident. When its picture is at fault that is a camera incident, and all
  that follows from the fault (drift of pictures, of predictions, of verdicts) belongs to it. That its frames come late,
  or not at all, a while after its picture went wrong is another incident: it may be that of all other cameras too.
- Drift, releases and trainings that begin, or are noticed, within `group_s` of each other in one project are one
  incident: the begin is an estimate, and two cameras with one cause may be estimated a minute apart.
- Faults of cameras are one incident when the cameras share the fault and an attribute that cameras without it lack, or
  when the fault began in the same moment; else each camera has its own.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cvops_alerting.incidents.sharing import Attributes, is_whole_fleet, separating

SAME_MOMENT_S = 10.0
LINGER_S = 120.0
"""Drift may take this long to close after the fault of the picture that caused it did."""

# Faults of transport and time: the picture is what it was, so they explain no drift.
_NOT_OF_THE_PICTURE = frozenset(
    f"camera.{fault}" for fault in ("late", "slow", "gaps", "clock_offset", "codec_changed", "offline")
) | {"inference_time"}


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm, as far as grouping looks at it.

    Attributes:
        alarm_id: identity.
        camera_id: whose; empty: of no camera.
        family: "drift", "camera" (a fault), "release" or "training".
        signal: what changed, e.g. "camera.moved".
        since_s: estimated time of the change, seconds since the epoch.
        opened_s: when it was noticed, likewise.
        closed_s: when it closed, likewise; None: it is open.
        incident_id: where it is; empty: nowhere yet.
    """

    alarm_id: str
    camera_id: str
    family: str
    signal: str
    since_s: float
    opened_s: float
    closed_s: float | None = None
    incident_id: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """An open incident: its kind, when it was opened, and whether an episode works on it."""

    incident_id: str
    kind: str
    opened_s: float
    has_episode: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """How far apart alarms may begin, s, and the signals that spoil the picture, e.g. "camera.moved"."""

    group_s: float
    spoiling: frozenset[str]


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Where every alarm belongs.

    Attributes:
        members: alarm id -> incident id.
        kinds: incident id -> kind, new incidents included.
        merged: incident that lost its last alarm -> the one that has it now.
    """

    members: Mapping[str, str]
    kinds: Mapping[str, str]
    merged: Mapping[str, str]


def arrange(
    alarms: Sequence[Alarm],
    groups: Sequence[Group],
    fleet: Attributes,
    rules: Rules,
    now_s: float,
    new_id: Callable[[str, Alarm], str],
) -> Arrangement:
    """Where every alarm of one project belongs.

    Alarms stay where they are unless a fault of their camera came or went. An alarm whose incident is no longer open
    has been dealt with and is left alone.

    Args:
        alarms: open ones, and closed ones of open incidents.
        groups: the open incidents.
        fleet: every camera of the project.
        rules: of the project.
        now_s: the present, seconds since the epoch.
        new_id: the id of the incident of a kind that an alarm opens.
    """
    return _Arranging(alarms, groups, fleet, rules, new_id).run(now_s)


@dataclass(slots=True)
class _Arranging:
    alarms: Sequence[Alarm]
    groups: Sequence[Group]
    fleet: Attributes
    rules: Rules
    new_id: Callable[[str, Alarm], str]
    open: dict[str, Group] = field(default_factory=dict)
    home: dict[str, str] = field(default_factory=dict)
    by_id: dict[str, Alarm] = field(default_factory=dict)
    of_camera: dict[str, list[str]] = field(default_factory=dict)
    merged: dict[str, str] = field(default_factory=dict)

    def run(self, now_s: float) -> Arrangement:
        self.open = {group.incident_id: group for group in self.groups}
        ours = [each for each in self.alarms if not each.incident_id or each.incident_id in self.open]
        self.by_id = {each.alarm_id: each for each in ours}
        for each in ours:
            self.of_camera.setdefault(each.camera_id, []).append(each.alarm_id)
        self.home = {each.alarm_id: each.incident_id for each in ours if each.incident_id}
        wanted = self._wanted(ours, now_s)
        for alarm in sorted(ours, key=lambda each: (each.since_s, each.alarm_id)):
            if alarm.closed_s is None and self._is_elsewhere(alarm, wanted[alarm.alarm_id]):
                self._place(alarm, wanted[alarm.alarm_id])
        left = set(self.home.values())
        kinds = {name: group.kind for name, group in self.open.items() if name in left}
        merged = {old: self._last(old) for old in self.merged if old not in left}
        return Arrangement(self.home, kinds, merged)

    def _wanted(self, alarms: Sequence[Alarm], now_s: float) -> dict[str, str]:
        """The kind of incident that each alarm belongs to."""
        spoiled = {
            each.camera_id
            for each in self.alarms
            if each.signal in self.rules.spoiling and (each.closed_s is None or now_s - each.closed_s < LINGER_S)
        }
        drifting = {each.camera_id for each in alarms if each.family == "drift" and each.closed_s is None} - spoiled

        def kind(alarm: Alarm) -> str:
            if alarm.family == "drift" and alarm.camera_id in spoiled:
                return "camera"
            if alarm.family != "camera" or alarm.signal in self.rules.spoiling:
                return alarm.family
            return "drift" if not _is_of_transport(alarm) and alarm.camera_id in drifting else "camera"

        return {each.alarm_id: kind(each) for each in alarms}

    def _is_elsewhere(self, alarm: Alarm, kind: str) -> bool:
        incident_id = self.home.get(alarm.alarm_id)
        return incident_id is None or self.open[incident_id].kind != kind

    def _place(self, alarm: Alarm, kind: str) -> None:
        before = self.home.pop(alarm.alarm_id, None)
        target = self._of_camera(alarm, kind) or (self._peers(alarm) if kind == "camera" else self._near(alarm, kind))
        if target is None:
            target = self.new_id(kind, alarm)
            self.open[target] = Group(target, kind, float("inf"))
        self.home[alarm.alarm_id] = target
        if before is not None:
            self.merged[before] = target

    def _of_camera(self, alarm: Alarm, kind: str) -> str | None:
        """The incident of this kind that the camera has already."""
        if not alarm.camera_id:
            return None
        placed = [each for each in self.of_camera[alarm.camera_id] if each in self.home]
        homes = [self.home[each] for each in placed if self._belong_together(self.by_id[each], alarm)]
        return self._oldest(each for each in homes if self.open[each].kind == kind)

    def _belong_together(self, one: Alarm, other: Alarm) -> bool:
        """Whether alarms of a camera may have one cause: both or neither are of transport, or both began at once."""
        return _is_of_transport(one) == _is_of_transport(other) or self._is_near(one, other)

    def _near(self, alarm: Alarm, kind: str) -> str | None:
        """Incidents of this kind with an alarm that began, or was noticed, at about the same time become one."""
        near = {
            incident_id
            for alarm_id, incident_id in self.home.items()
            if self.open[incident_id].kind == kind and self._is_near(self.by_id[alarm_id], alarm)
        }
        return self._merge(near)

    def _is_near(self, one: Alarm, other: Alarm) -> bool:
        apart_s = min(abs(one.since_s - other.since_s), abs(one.opened_s - other.opened_s))
        return apart_s <= self.rules.group_s

    def _peers(self, alarm: Alarm) -> str | None:
        """Incidents of cameras with the same fault and what else they share become one."""
        same = [
            each
            for each in self.by_id.values()
            if each.signal == alarm.signal and each.closed_s is None and each.camera_id and alarm.family == "camera"
        ]
        faulty = {each.camera_id for each in same}
        shared = separating(faulty, self.fleet, alarm.camera_id)
        if shared is not None:
            peers = [each for each in same if self.fleet.get(each.camera_id, {}).get(shared.name) == shared.value]
        elif is_whole_fleet(faulty, self.fleet):
            peers = same
        else:
            peers = [each for each in same if abs(each.since_s - alarm.since_s) <= SAME_MOMENT_S]
        homes = {self.home[each.alarm_id] for each in peers if each.alarm_id in self.home}
        return self._merge({each for each in homes if self.open[each].kind == "camera"})

    def _merge(self, incidents: set[str]) -> str | None:
        """One of them, with the alarms of the others; those that an episode works on keep theirs."""
        target = self._oldest(incidents)
        if target is None:
            return None
        for other in incidents - {target}:
            if self.open[other].has_episode:
                continue
            self.merged[other] = target
            for alarm_id, incident_id in self.home.items():
                if incident_id == other:
                    self.home[alarm_id] = target
        return target

    def _oldest(self, incidents: Iterable[str]) -> str | None:
        found = set(incidents)
        return min(
            found,
            key=lambda each: (not self.open[each].has_episode, self.open[each].opened_s, each),
            default=None,
        )

    def _last(self, incident_id: str) -> str:
        seen = {incident_id}
        while incident_id in self.merged and self.merged[incident_id] not in seen:
            incident_id = self.merged[incident_id]
            seen.add(incident_id)
        return incident_id


def _is_of_transport(alarm: Alarm) -> bool:
    return alarm.family == "camera" and alarm.signal in _NOT_OF_THE_PICTURE
