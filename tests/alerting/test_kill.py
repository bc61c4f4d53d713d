"""kill -9 in the middle of a send: nothing lost, nothing doubled for a receiver that honours the delivery id."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cvops_alerting.settings import AlertingSettings
from cvops_common.bus import Bus
from cvops_common.records import Outgoing
from cvops_local.ports import free_ports
from cvops_protos.v1.drift_pb2 import DriftEvent
from cvops_protos.v1.project_pb2 import Project
from tests.alerting.conftest import Receiver, alarm, wait_for

pytestmark = pytest.mark.engines


@asynccontextmanager
async def process(settings: AlertingSettings, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m cvops_alerting`, killed at the end."""
    grpc_port, http_port = free_ports(2)
    environment = os.environ | {
        "CVOPS_KAFKA": settings.kafka,
        "CVOPS_MONGO": settings.mongo,
        "CVOPS_KEYS": str(settings.keys),
        "CVOPS_ALERTING_GRPC_LISTEN": f"127.0.0.1:{grpc_port}",
        "CVOPS_ALERTING_HTTP_LISTEN": f"127.0.0.1:{http_port}",
        "CVOPS_ALERTING_INSTANCE": "victim",
        "CVOPS_ALERTING_SEND_TIMEOUT_S": "1",
        "CVOPS_ALERTING_FIRST_PAUSE_S": "0.2",
        "CVOPS_TEST_HOOK_KEY": "a-signing-key",
    }
    with log.open("ab") as file:
        started = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cvops_alerting", env=environment, stderr=file, stdout=file
        )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


async def test_a_message_outlives_kill_9_and_is_told_once(
    settings: AlertingSettings, project: str, receiver: Receiver, tmp_path: Path
):
    declared = Project(project=project, alerts=Project.Alerts(pending_s=0))
    declared.alerts.routes.add(name="hook", kind="webhook", url=receiver.url, secret_env="CVOPS_TEST_HOOK_KEY")
    receiver.answers = ["hang"]
    log = tmp_path / "alerting.log"
    async with Bus(settings.kafka, service="feeder") as bus:
        await bus.publish(declared, key=project)
        one = alarm("cam-1", project, severity=DriftEvent.SEVERITY_CRITICAL)
        async with process(settings, log) as first:
            await bus.publish_many([Outgoing(one, "cam-1")])
            await wait_for(lambda: bool(receiver.got), f"the first attempt; {log}")
            first.kill()
        async with process(settings, log):
            await wait_for(lambda: len(receiver.got) > 1, f"the repeat; {log}")
    assert len(receiver.taken) == 1
    assert "a-signing-key" not in log.read_text()
