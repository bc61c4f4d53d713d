"""Incidents: what somebody must know, from the first alarm to the end."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol, Self

from pymongo.asynchronous.client_session import AsyncClientSession

from cvops_alerting.fleet import Fleet
from cvops_alerting.incidents.alarms import OFFLINE, Closing, signs_of
from cvops_alerting.incidents.book import Book
from cvops_alerting.incidents.grouping import Rules
from cvops_alerting.incidents.store import IncidentStore
from cvops_alerting.metrics import ALARMS, INCIDENTS
from cvops_common.mongo import this_millisecond
from cvops_common.outbox import Outbox
from cvops_common.projects import DEFAULT_PROJECT
from cvops_common.records import Record
from cvops_common.rounds import Rounds
from cvops_common.telemetry import logger
from cvops_protos.v1.alerting_pb2 import Incident
from cvops_protos.v1.drift_pb2 import DriftEvent
from cvops_protos.v1.project_pb2 import Project

log = logger(__name__)

Change = Callable[[Book, datetime], None]
_LOOK_EVERY_S = 0.5
_REGROUP_EVERY = 20  # rounds


class Deliverer(Protocol):
    """Who tells people."""

    async def plan(self, incident: Incident, project: Project, now: datetime, session: AsyncClientSession) -> None:
        """Adds the messages about an incident that changed to the transaction of `session`."""

    def wake(self) -> None:
        """A transaction with messages was committed."""


class Incidents:
    """The incidents of all projects."""

    def __init__(self, store: IncidentStore, outbox: Outbox, fleet: Fleet, deliverer: Deliverer) -> None:
        """Nothing is opened yet; enter it after the outbox."""
        self._store = store
        self._outbox = outbox
        self._fleet = fleet
        self._deliverer = deliverer
        self._rounds = Rounds(self._round, every_s=_LOOK_EVERY_S, what="incidents")
        self._made = 0

    async def __aenter__(self) -> Self:
        await self._rounds.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._rounds.__aexit__(None, None, None)

    # -- events ------------------------------------------------------------------------------------------------

    async def observe(self, records: Sequence[Record[Any]]) -> None:
        """Takes in drift events, camera status, releases, rollouts and runs; other messages are left alone.

        Raises:
            Unavailable: MongoDB is away, or another replica changed the same project; to be tried again.
        """
        signs = [sign for record in records for sign in signs_of(record.message)]
        by_project: dict[str, list[DriftEvent | Closing]] = {}
        for sign in await self._that_matter(signs):
            by_project.setdefault(sign.project or DEFAULT_PROJECT, []).append(sign)
        for project, mine in by_project.items():
            alarm_ids = [sign.alarm_id for sign in mine if isinstance(sign, DriftEvent)]
            await self._change(project, lambda book, _, mine=mine: _take(book, mine), alarm_ids)  # type: ignore[misc]
        for sign in signs:
            if isinstance(sign, DriftEvent):
                ALARMS.labels(DriftEvent.State.Name(sign.state).removeprefix("STATE_").lower()).inc()

    async def _that_matter(self, signs: Sequence[DriftEvent | Closing]) -> list[DriftEvent | Closing]:
        """Without the news, once a minute and camera, that a camera which was never away is there."""
        back = {sign.camera_id for sign in signs if isinstance(sign, Closing) and sign.signal == OFFLINE}
        away = await self._store.alarming(OFFLINE, back) if back else set()
        away |= {sign.camera_id for sign in signs if isinstance(sign, DriftEvent) and sign.signal == OFFLINE}
        return [
            sign for sign in signs if isinstance(sign, DriftEvent) or sign.signal != OFFLINE or sign.camera_id in away
        ]

    # -- time --------------------------------------------------------------------------------------------------

    async def look(self, *, everything: bool = False) -> None:
        """Fires what has lasted; with `everything`, also looks anew what belongs together."""
        incidents = await (self._store.open_in() if everything else self._store.pending())
        for project in {incident.project for incident in incidents}:
            await self._change(project, lambda _book, _now: None)

    async def _round(self) -> None:
        everything = self._made % _REGROUP_EVERY == 0
        self._made += 1
        await self.look(everything=everything)

    # -- people and episodes -----------------------------------------------------------------------------------

    async def get(self, incident_id: str) -> Incident:
        """An incident by its id, or by the beginning of it; NotFound when there is none, or more than one."""
        return await self._store.get(incident_id)

    async def open_in(self, project: str = "") -> list[Incident]:
        """Incidents that are pending, firing or acknowledged, newest first; of all projects when none is named."""
        return await self._store.open_in(project)

    async def newest(self, project: str, states: Sequence[int], limit: int) -> list[Incident]:
        """Incidents in some states, all when none is named; newest first."""
        return await self._store.newest(project, states, limit)

    async def acknowledge(self, incident_id: str, by: str, note: str) -> Incident:
        """Somebody looks after it. One that is acknowledged or resolved stays as it is.

        Raises:
            NotFound: there is no such incident.
        """

        def change(book: Book, name: str) -> None:
            if book.incidents[name].state != Incident.STATE_ACKNOWLEDGED:
                book.acknowledge(name, by, note)

        return await self._change_one(incident_id, lambda book, name, _: change(book, name))

    async def resolve(self, incident_id: str, by: str, note: str) -> Incident:
        """It is over; alarms of it that are open have been dealt with. One that is resolved stays as it is.

        Raises:
            NotFound: there is no such incident.
        """
        return await self._change_one(incident_id, lambda book, name, now: book.resolve(name, by, note, now))

    async def set_episode(self, incident_id: str, episode_id: str) -> None:
        """An episode works on it; its events carry the episode as their correlation id from now on.

        Raises:
            NotFound: there is no such incident.
        """
        await self._change_one(incident_id, lambda book, name, _: book.set_episode(name, episode_id))

    # -- one transaction ---------------------------------------------------------------------------------------

    async def _change_one(self, incident_id: str, change: Callable[[Book, str, datetime], None]) -> Incident:
        found = await self._store.get(incident_id)
        name = found.incident_id

        def apply(book: Book, now: datetime) -> None:
            if name in book.incidents:
                change(book, name, now)

        await self._change(found.project, apply)
        return await self._store.get(name)

    async def _change(self, project: str, change: Change, alarm_ids: Iterable[str] = ()) -> None:
        """Changes a project; its incidents, their events and the messages about them are written together."""
        now, declared = this_millisecond(), self._fleet.project(project)
        measure = "accuracy" if declared.task == "classify" else "precision"
        rules = Rules(declared.alerts.group_s, frozenset(f"camera.{each}" for each in declared.loop.excluded_faults))
        alarms = tuple(alarm_ids)

        async def write(session: AsyncClientSession) -> tuple[list[Incident], dict[str, int]]:
            book = Book(project, measure, self._fleet.attributes(project))
            await self._store.fill(book, alarms, now, session)
            before: dict[str, int] = {name: incident.state for name, incident in book.incidents.items()}
            change(book, now)
            book.settle(rules, declared.alerts.pending_s, now)
            changed = [book.incidents[name] for name in sorted(book.changed_incidents)]
            for incident in changed:
                incident.revision += 1
                incident.updated_at.FromDatetime(now)
            await self._store.write(book, session)
            for incident in changed:
                await self._outbox.add(
                    incident, key=incident.incident_id, session=session, correlation_id=incident.episode_id
                )
                await self._deliverer.plan(incident, declared, now, session)
            return changed, before

        changed, before = await self._outbox.write(write)
        if changed:
            self._deliverer.wake()
        for incident in changed:
            _note(incident, before.get(incident.incident_id))


def _take(book: Book, signs: Iterable[DriftEvent | Closing]) -> None:
    for sign in signs:
        book.take(sign)


def _note(incident: Incident, before: int | None) -> None:
    """Log and metric of an incident that entered a state."""
    if incident.state == before:
        return
    state = Incident.State.Name(incident.state).removeprefix("STATE_").lower()
    INCIDENTS.labels(incident.kind, state).inc()
    log.info(f"incident {state}", incident=incident.incident_id, kind=incident.kind, title=incident.title)
