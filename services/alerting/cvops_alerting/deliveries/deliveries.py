"""Deliveries: plans messages with the change of an incident, and sends them until they arrive.

A message is in MongoDB before it is sent, in the transaction that changed its incident. It is sent at least once: an
attempt whose end is not known (the process was killed, no answer came) is repeated with the same delivery id. Webhooks
and PagerDuty recognise the repeat; Slack cannot, so there the repeat says that it may have been told already.
"""

import asyncio
import random
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Self

from pymongo.asynchronous.client_session import AsyncClientSession

from cvops_alerting.deliveries.answer import Answer, Outcome, pause_s
from cvops_alerting.deliveries.plan import next_message
from cvops_alerting.deliveries.post import Message
from cvops_alerting.deliveries.sender import Sender
from cvops_alerting.deliveries.store import Claimed, DeliveryStore
from cvops_alerting.fleet import Fleet
from cvops_alerting.metrics import ATTEMPTS, DELIVERIES, WAITING
from cvops_alerting.settings import AlertingSettings
from cvops_common.errors import CvopsError, NotFound
from cvops_common.ids import random_hex
from cvops_common.mongo import MongoStore, this_millisecond
from cvops_common.telemetry import logger
from cvops_protos.v1.alerting_pb2 import Delivery, Incident
from cvops_protos.v1.drift_pb2 import DriftEvent
from cvops_protos.v1.project_pb2 import Project

log = logger(__name__)

_LOOK_EVERY_S = 0.5
_LONGEST_PAUSE_S = 5.0
_BATCH = 500
_LEASE_BEYOND_S = 5.0
_STATES = {Outcome.SENT: "sent", Outcome.REFUSED: "given up", Outcome.AGAIN: "given up"}


class Deliveries:
    """Messages to all routes of all projects; one at a time for each route."""

    def __init__(self, mongo: MongoStore, store: DeliveryStore, fleet: Fleet, settings: AlertingSettings) -> None:
        """Nothing is opened yet; enter it before the incidents."""
        self._mongo = mongo
        self._store = store
        self._fleet = fleet
        self._settings = settings
        self._sender = Sender(settings.send_timeout_s)
        self._lease = timedelta(seconds=settings.send_timeout_s + _LEASE_BEYOND_S)
        self._rng = random.Random()  # noqa: S311 - jitter
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._store.__aenter__()
        await self._sender.__aenter__()
        self._stopping = False
        self._task = asyncio.create_task(self._keep_sending())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping = True
        self._wake.set()
        tasks = {task for task in (self._task, *self._busy.values()) if task is not None}
        if tasks:
            await asyncio.wait(tasks, timeout=self._settings.shutdown_s)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=1.0)
        await self._sender.__aexit__(None, None, None)

    # -- planning ----------------------------------------------------------------------------------------------

    async def plan(self, incident: Incident, project: Project, now: datetime, session: AsyncClientSession) -> None:
        """Adds the messages about an incident that changed to the transaction of `session`."""
        if incident.state == Incident.STATE_PENDING or not project.alerts.routes:
            return
        told = await self._store.told(incident.incident_id, session)
        for route in project.alerts.routes:
            planned = next_message(incident, route, told.get(route.name), now, self._settings.update_every_s)
            if planned is None:
                continue
            if await self._store.waiting(incident.project, route.name, session) >= self._settings.most_waiting:
                DELIVERIES.labels(route.kind, "given up").inc()
                log.error("message dropped, the queue of its route is full", route=route.name, title=incident.title)
                continue
            await self._store.add(planned, incident, route.name, route.kind, now, session)

    def wake(self) -> None:
        """A transaction with messages was committed."""
        self._wake.set()

    # -- people ------------------------------------------------------------------------------------------------

    async def test(self, project: str, route: str = "") -> list[Delivery]:
        """Sends one test message by each route of a project, or by one; one attempt, whose end is told.

        Raises:
            NotFound: the project has no route, or none of that name.
        """
        declared = self._fleet.project(project)
        routes = [each for each in declared.alerts.routes if route in ("", each.name)]
        if not routes:
            known = ", ".join(each.name for each in declared.alerts.routes) or "none"
            raise NotFound(
                f"project {project!r} has no route {route or 'at all'}: it has {known}; declare it in "
                "`alerts.routes` and `cvops apply` the project"
            )
        return list(await asyncio.gather(*(self._test(project, each) for each in routes)))

    async def newest(self, incident_id: str, limit: int) -> list[Delivery]:
        """Messages about an incident, or all when none is named, newest first."""
        return await self._store.newest(incident_id, limit)

    async def _test(self, project: str, route: Project.Alerts.Route) -> Delivery:
        now = this_millisecond()
        incident = Incident(
            incident_id=random_hex(128),
            project=project,
            kind="test",
            state=Incident.STATE_FIRING,
            severity=DriftEvent.SEVERITY_INFO,
            title=f"Test of route {route.name} of project {project}: nothing has happened",
            fingerprint=f"{project}/test/{route.name}",
            revision=1,
        )
        for stamp in (incident.since, incident.opened_at, incident.updated_at):
            stamp.FromDatetime(now)
        message = Message(random_hex(128), "test", incident)
        answer = await self._sender.send(route, message)
        ATTEMPTS.labels(route.kind, answer.outcome).inc()
        return await self._store.record(
            message, route.name, route.kind, _STATES[answer.outcome], answer.text, this_millisecond()
        )

    # -- sending -----------------------------------------------------------------------------------------------

    async def _keep_sending(self) -> None:
        wait_s = _LOOK_EVERY_S
        while not self._stopping:
            self._wake.clear()
            try:
                await self._begin_due()
                wait_s = _LOOK_EVERY_S
            except CvopsError as error:
                log.warning("deliveries wait", error=str(error))
                wait_s = min(2 * wait_s, _LONGEST_PAUSE_S)
            except Exception:
                log.exception("deliveries could not be looked at")
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()

    async def _begin_due(self) -> None:
        now = this_millisecond()
        await self._store.recover(now)
        for delivery_id, lane in await self._store.due(now, _BATCH):
            if lane not in self._busy and not self._stopping:
                self._busy[lane] = asyncio.create_task(self._use_lane(lane, delivery_id))
        WAITING.set(await self._store.count_waiting())

    async def _use_lane(self, lane: str, delivery_id: str) -> None:
        try:
            if await self._store.take_lane(lane, this_millisecond(), self._lease):
                free_at = await self._deliver(delivery_id)
                await self._store.free_lane(lane, free_at or this_millisecond())
                self._wake.set()
        except CvopsError as error:
            log.warning("delivery waits", delivery=delivery_id, error=str(error))
        except Exception:
            log.exception("delivery failed", delivery=delivery_id)
        finally:
            del self._busy[lane]

    async def _deliver(self, delivery_id: str) -> datetime | None:
        """One attempt; the time before which the receiver wants nothing more, if it said so."""
        claimed = await self._store.claim(delivery_id, this_millisecond(), self._lease)
        if claimed is None:
            return None
        routes = self._fleet.project(claimed.project).alerts.routes
        route = next((each for each in routes if each.name == claimed.route), None)
        if route is None:
            answer = Answer(Outcome.REFUSED, f"project {claimed.project} has no route {claimed.route} any more")
        else:
            answer = await self._sender.send(route, claimed.message)
        ATTEMPTS.labels(claimed.kind, answer.outcome).inc()
        return await self._conclude(claimed, answer, this_millisecond())

    async def _conclude(self, claimed: Claimed, answer: Answer, now: datetime) -> datetime | None:
        limits = self._settings
        wait_s = pause_s(claimed.attempts, limits.first_pause_s, limits.longest_pause_s, self._rng)
        at = now + timedelta(seconds=max(wait_s, answer.retry_after_s or 0.0))
        identity = claimed.message.delivery_id
        deadline = claimed.created_at + timedelta(seconds=limits.give_up_s)
        if answer.outcome is Outcome.AGAIN and at < deadline and claimed.attempts < limits.most_attempts:
            await self._store.again(claimed, answer.text, at, now, in_doubt=answer.in_doubt)
            return at if answer.holds_route else None
        text = answer.text
        if answer.outcome is Outcome.AGAIN:
            text = f"{text}; given up after {claimed.attempts} attempts in {(now - claimed.created_at).seconds} s"
        state = _STATES[answer.outcome]
        await self._store.end(identity, state, text, now)
        DELIVERIES.labels(claimed.kind, state).inc()
        if state != "sent":
            log.error("message given up", delivery=identity, route=claimed.route, answer=text)
        return None
