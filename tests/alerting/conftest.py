"""Alarms as drift tells them, a receiver on the loopback, and a running alerting on real engines."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest

from cvops_alerting.app import build
from cvops_alerting.settings import AlertingSettings
from cvops_common.access import KeyFile, Role
from cvops_common.bus import Bus
from cvops_common.records import Outgoing
from cvops_common.runner import start
from cvops_local.ports import free_ports
from cvops_protos.v1 import alerting_pb2 as pb
from cvops_protos.v1.alerting_pb2_grpc import AlertingStub
from cvops_protos.v1.drift_pb2 import DriftEvent
from tests.conftest import Engines

BEGIN_S = 1_750_000_000


def alarm(
    camera_id: str,
    project: str,
    signal: str = "embedding",
    since_s: float = BEGIN_S,
    state: int = DriftEvent.STATE_OPENED,
    severity: int = DriftEvent.SEVERITY_WARNING,
    after_s: float = 0,
) -> DriftEvent:
    """An event of the alarm of one signal of one camera."""
    upstream = signal.startswith("camera.")
    event = DriftEvent(
        alarm_id=f"{project}-{camera_id}-{signal}-{since_s}",
        camera_id=camera_id,
        project=project,
        signal=signal,
        state=state,
        severity=severity,
        kind=DriftEvent.KIND_UPSTREAM if upstream else DriftEvent.KIND_DATA,
        text=f"{signal} changed",
    )
    event.event_id = f"{event.alarm_id}-{state}-{after_s}"
    event.since.FromNanoseconds(int(since_s * 1e9))
    event.opened_at.CopyFrom(event.since)
    event.at.FromNanoseconds(int((since_s + after_s) * 1e9))
    return event


@dataclass
class Receiver:
    """An HTTP server that answers as it is told and remembers what came."""

    port: int = 0
    got: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]] | str] = field(default_factory=list)
    asked_s: list[float] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook/very-secret"

    @property
    def taken(self) -> dict[str, dict[str, Any]]:
        """What a receiver keeps that honours the delivery id."""
        return {headers["x-cvops-delivery"]: body for headers, body in self.got}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:]
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head if line)}
            body = await reader.readexactly(int(headers["content-length"]))
            self.asked_s.append(time.monotonic())
            answer = self.answers.pop(0) if self.answers else (200, {})
            if answer == "die":  # before it took anything
                return
            if answer == "hang":
                self.got.append((headers, json.loads(body)))
                await asyncio.sleep(3)
                return
            status, extra = answer
            if status == 200:
                self.got.append((headers, json.loads(body)))
            lines = [f"HTTP/1.1 {status} x", "content-length: 2", "connection: close"]
            lines += [f"{name}: {value}" for name, value in extra.items()]
            writer.write(("\r\n".join(lines) + "\r\n\r\nok").encode())
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    server.close()


@dataclass
class Running:
    """An alerting that answers, and a bus to feed it."""

    stub: AlertingStub
    bus: Bus
    metadata: tuple[tuple[str, str], ...]

    async def feed(self, *messages: Any) -> None:
        await self.bus.publish_many([Outgoing(each, each.camera_id) for each in messages])

    async def incidents(self, project: str) -> list[pb.Incident]:
        request = pb.ListIncidentsRequest(project=project)
        return list((await self.stub.ListIncidents(request, metadata=self.metadata)).incidents)

    async def deliveries(self, incident_id: str) -> list[pb.Delivery]:
        request = pb.ListDeliveriesRequest(incident_id=incident_id)
        return list((await self.stub.ListDeliveries(request, metadata=self.metadata)).deliveries)

    async def all_sent(self, incident_id: str) -> list[pb.Delivery]:
        """Deliveries, when every answer is booked: a receiver has a message before its sender knows."""
        found = await self.deliveries(incident_id)
        async with asyncio.timeout(30):
            while any(each.state != "sent" for each in found):
                await asyncio.sleep(0.05)
                found = await self.deliveries(incident_id)
        return found

    async def until(self, project: str, holds: Callable[[list[pb.Incident]], bool]) -> list[pb.Incident]:
        found: list[pb.Incident] = []
        try:
            async with asyncio.timeout(30):
                while not holds(found := await self.incidents(project)):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"it did not come: {found}") from None
        return found


async def wait_for(holds: Callable[[], bool], what: str, limit_s: float = 30) -> None:
    try:
        async with asyncio.timeout(limit_s):
            while not holds():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"it did not come: {what}") from None


@pytest.fixture
def settings(engines: Engines, tmp_path: Path) -> AlertingSettings:
    return AlertingSettings(
        kafka=engines.kafka,
        mongo=engines.mongo,
        keys=tmp_path / "keys.json",
        send_timeout_s=1,
        first_pause_s=0.2,
        longest_pause_s=1,
    )


@asynccontextmanager
async def running(settings: AlertingSettings, *tables: Any) -> AsyncIterator[Running]:
    """`tables`: projects and cameras that it finds when it starts."""
    async with Bus(settings.kafka, service="declarer") as bus:
        await bus.publish_many([Outgoing(each, getattr(each, "camera_id", each.project)) for each in tables])
    grpc_port, http_port = free_ports(2)
    key = KeyFile(settings.keys).create(Role.OPERATOR, name="test")
    settings = settings.model_copy(
        update={"grpc_listen": f"127.0.0.1:{grpc_port}", "http_listen": f"127.0.0.1:{http_port}"}
    )
    async with AsyncExitStack() as stack:
        await start(build(settings), settings, stack)
        bus = await stack.enter_async_context(Bus(settings.kafka, service="feeder"))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(settings.grpc_listen))
        yield Running(AlertingStub(channel), bus, (("authorization", f"Bearer {key}"),))


@pytest.fixture
def project() -> str:
    return f"p-{uuid4().hex[:8]}"
