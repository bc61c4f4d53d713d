"""The running service on real engines: alarms in, incidents and messages out, restarts in between."""

import logging

import pytest

from cvops_alerting.settings import AlertingSettings
from cvops_protos.v1 import alerting_pb2 as pb
from cvops_protos.v1.camera_pb2 import Camera
from cvops_protos.v1.drift_pb2 import DriftEvent
from cvops_protos.v1.project_pb2 import Project
from tests.alerting.conftest import BEGIN_S, Receiver, alarm, running, wait_for

pytestmark = pytest.mark.engines

FIRING, RESOLVED = pb.Incident.STATE_FIRING, pb.Incident.STATE_RESOLVED


def declared(project: str, receiver: Receiver | None, pending_s: int = 0) -> Project:
    found = Project(project=project, alerts=Project.Alerts(pending_s=pending_s, group_s=60))
    if receiver is not None:
        found.alerts.routes.add(name="hook", kind="webhook", url=receiver.url, secret_env="CVOPS_TEST_HOOK_KEY")
    return found


async def test_two_cameras_that_drift_together_are_one_incident_that_is_told_and_resolved(
    settings: AlertingSettings, project: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CVOPS_TEST_HOOK_KEY", "k")
    receiver.answers = [(429, {"Retry-After": "2"}), (500, {}), "die"]
    fleet = [
        Camera(camera_id=f"{project}-{number}", project=project, site="north" if number < 3 else "south")
        for number in range(1, 5)
    ]
    async with running(settings, declared(project, receiver), *fleet) as alerting:
        first = alarm(f"{project}-1", project)
        second = alarm(f"{project}-2", project, since_s=BEGIN_S + 20)
        await alerting.feed(first, second, first)
        (incident,) = await alerting.until(project, lambda found: [each.state for each in found] == [FIRING])
        assert list(incident.cameras) == [f"{project}-1", f"{project}-2"]
        assert "site north" in incident.title
        assert list(incident.shared) == ["site=north"]

        await wait_for(lambda: len(receiver.taken) == 1, "the message")
        assert receiver.asked_s[1] - receiver.asked_s[0] >= 2
        _, body = receiver.got[0]
        assert body["incident"]["incident_id"] == incident.incident_id
        closing = [
            alarm(f"{project}-1", project, state=DriftEvent.STATE_CLOSED, after_s=60),
            alarm(f"{project}-2", project, since_s=BEGIN_S + 20, state=DriftEvent.STATE_CLOSED, after_s=60),
        ]
        await alerting.feed(*closing, first)
        (ended,) = await alerting.until(project, lambda found: [each.state for each in found] == [RESOLVED])
        assert ended.by == "recovered"
        await wait_for(lambda: len(receiver.taken) == 2, "the end")
        assert [body["what"] for body in receiver.taken.values()] == ["fire", "resolve"]
        sent = await alerting.all_sent(incident.incident_id)
        assert [each.what for each in sent] == ["resolve", "fire"]
        assert sent[1].attempts == 4


async def test_a_message_that_is_on_its_way_survives_a_restart_and_is_not_doubled(
    settings: AlertingSettings, project: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CVOPS_TEST_HOOK_KEY", "k")
    receiver.answers = ["hang", (503, {}), (503, {})]
    async with running(settings, declared(project, receiver)) as alerting:
        await alerting.feed(alarm(f"{project}-1", project, severity=DriftEvent.SEVERITY_CRITICAL))
        await wait_for(lambda: bool(receiver.got), "the first attempt")
    async with running(settings) as alerting:
        await alerting.until(project, lambda found: [each.state for each in found] == [FIRING])
        await wait_for(lambda: len(receiver.got) >= 2, "the repeat")
        assert len(receiver.taken) == 1
        assert receiver.got[0][0]["x-cvops-delivery"] == receiver.got[1][0]["x-cvops-delivery"]


async def test_routes_are_tested_and_no_secret_is_told(
    settings: AlertingSettings,
    project: str,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("CVOPS_TEST_SLACK", receiver.url)
    receiver.answers = [(200, {}), (403, {})]
    wanted = Project(project=project)
    wanted.alerts.routes.add(name="chat", kind="slack", secret_env="CVOPS_TEST_SLACK")
    async with running(settings, wanted) as alerting:
        await alerting.feed(alarm(f"{project}-1", project))
        await alerting.until(project, bool)
        request = pb.TestRoutesRequest(project=project)
        good = (await alerting.stub.TestRoutes(request, metadata=alerting.metadata)).deliveries[0]
        bad = (await alerting.stub.TestRoutes(request, metadata=alerting.metadata)).deliveries[0]
    assert (good.state, good.what) == ("sent", "test")
    assert bad.state == "given up"
    assert bad.answer.startswith("403")
    assert "very-secret" not in caplog.text + good.answer + bad.answer


async def test_a_resolved_incident_that_comes_back_is_a_new_one_that_says_so(settings: AlertingSettings, project: str):
    async with running(settings, declared(project, None)) as alerting:
        await alerting.feed(alarm("cam-1", project))
        (first,) = await alerting.until(project, lambda found: [each.state for each in found] == [FIRING])
        request = pb.ChangeIncidentRequest(incident_id=first.incident_id[:8], by="anna", note="seen")
        ended = await alerting.stub.ResolveIncident(request, metadata=alerting.metadata)
        assert (ended.state, ended.by, ended.note) == (RESOLVED, "anna", "seen")
        await alerting.feed(alarm("cam-1", project, since_s=BEGIN_S + 500))
        second, _ = await alerting.until(project, lambda found: len(found) == 2)
        assert "again" in second.note
        assert first.incident_id[:8] in second.note
