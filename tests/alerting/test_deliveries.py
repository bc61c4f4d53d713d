"""What receivers get, and when."""

import hmac
import json
import random
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from cvops_alerting.deliveries.answer import Outcome, judge, pause_s, without_secrets
from cvops_alerting.deliveries.pagerduty import pagerduty_event
from cvops_alerting.deliveries.plan import Told, next_message
from cvops_alerting.deliveries.post import Message
from cvops_alerting.deliveries.slack import slack_payload
from cvops_alerting.deliveries.webhook import SIGNATURE_HEADER, TIMESTAMP_HEADER, webhook_post
from cvops_protos.v1.alerting_pb2 import Incident
from cvops_protos.v1.drift_pb2 import DriftEvent
from cvops_protos.v1.project_pb2 import Project
from tests.alerting.conftest import BEGIN_S, alarm

NOW = datetime.fromtimestamp(BEGIN_S, UTC)
ROUTE = Project.Alerts.Route(name="hook", kind="webhook")
FIRING, ACKNOWLEDGED, RESOLVED = (
    Incident.STATE_FIRING,
    Incident.STATE_ACKNOWLEDGED,
    Incident.STATE_RESOLVED,
)


def incident(state: int = FIRING, cameras: int = 1, severity: int = DriftEvent.SEVERITY_WARNING) -> Incident:
    names = [f"cam-{n}" for n in range(cameras)]
    found = Incident(
        incident_id="ab" * 16,
        project="p",
        kind="drift",
        state=state,
        severity=severity,
        title="Pictures changed on <north> & elsewhere",
        cameras=names,
        alarms=[alarm(name, "p") for name in names],
    )
    found.since.FromDatetime(NOW)
    return found


def test_a_route_is_told_of_the_beginning_of_changes_and_of_the_end_once_each():
    first = next_message(incident(), ROUTE, None, NOW, 60)
    assert first is not None
    assert first.what == "fire"
    assert next_message(incident(), ROUTE, first.told, NOW, 60) is None
    seen = next_message(incident(ACKNOWLEDGED), ROUTE, first.told, NOW, 60)
    assert seen is not None
    assert (seen.what, seen.not_before) == ("update", NOW)
    end = next_message(incident(RESOLVED), ROUTE, seen.told, NOW, 60)
    assert end is not None
    assert end.what == "resolve"
    assert next_message(incident(RESOLVED), ROUTE, end.told, NOW, 60) is None


def test_more_cameras_are_told_at_most_once_a_minute():
    told = Told(FIRING, DriftEvent.SEVERITY_WARNING, 1, NOW, 1)
    soon = NOW + timedelta(seconds=10)
    more = next_message(incident(cameras=2), ROUTE, told, soon, 60)
    assert more is not None
    assert more.not_before == NOW + timedelta(seconds=60)
    still_more = next_message(incident(cameras=3), ROUTE, more.told, soon, 60)
    assert still_more is not None
    assert still_more.not_before == more.not_before


def test_what_was_never_told_is_not_resolved_and_a_route_hears_only_what_it_asked_for():
    assert next_message(incident(RESOLVED), ROUTE, None, NOW, 60) is None
    critical_only = Project.Alerts.Route(name="x", kind="slack", least_severity="critical")
    assert next_message(incident(), critical_only, None, NOW, 60) is None
    cameras_only = Project.Alerts.Route(name="x", kind="slack", kinds=["camera"])
    assert next_message(incident(), cameras_only, None, NOW, 60) is None


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((status, Outcome.SENT) for status in (200, 202)),
        *((status, Outcome.AGAIN) for status in (408, 429, 500, 503)),
        *((status, Outcome.REFUSED) for status in (302, 400, 403, 404)),
    ],
)
def test_what_an_answer_means(status: int, outcome: Outcome):
    assert judge(status, {}, "because", NOW).outcome is outcome


def test_retry_after_is_seconds_or_a_date_and_nonsense_is_none():
    def wait_s(value: str) -> float | None:
        return judge(429, {"retry-after": value}, "", NOW).retry_after_s

    assert wait_s("7") == 7
    assert wait_s((NOW + timedelta(seconds=30)).strftime("%a, %d %b %Y %H:%M:%S GMT")) == 30
    assert wait_s("soon") is None
    assert wait_s("99999999") == 3600


def test_pauses_double_up_to_a_limit():
    rng = random.Random(1)
    pauses = [pause_s(attempt, 1, 600, rng) for attempt in (1, 4, 8, 100)]
    for pause, middle in zip(pauses, (1, 8, 128, 600), strict=True):
        assert middle * 2 / 3 <= pause <= middle * 4 / 3


def test_secrets_are_taken_out_of_what_receivers_say():
    assert without_secrets("no T0/B0/xyz here", ("https://h/T0/B0/xyz", "T0/B0/xyz", "")) == "no *** here"


def shapes(value: object, path: str = "") -> set[str]:
    """Paths of a payload with the types of their values, and the values of `type`."""
    if isinstance(value, dict):
        return {shape for key, item in value.items() for shape in shapes(item, f"{path}.{key}")}
    if isinstance(value, list):
        return {shape for item in value for shape in shapes(item, f"{path}[{item['type']}]")}
    return {f"{path}={value}" if path.endswith(".type") else f"{path}:{type(value).__name__}"}


@pytest.mark.parametrize("state", [FIRING, ACKNOWLEDGED, RESOLVED])
def test_slack_messages_are_made_of_what_slack_is_known_to_take(shared_data: Path, state: int):
    file = shared_data / "conformance/slack/incoming_webhook_payloads.json"
    known: set[str] = set()
    for name, payload in json.loads(file.read_text()).items():
        if "attachment" not in name:
            known |= shapes(payload)
    payload = slack_payload(Message("d", "fire", incident(state, cameras=9), maybe_told=True))
    assert shapes(payload) <= known
    assert all(len(block["text"]["text"]) <= 3000 for block in payload["blocks"])
    assert "&lt;north&gt; &amp; elsewhere" in payload["text"]
    assert "may have been told already" in payload["text"]


def test_pagerduty_gets_one_alert_an_incident():
    events = [pagerduty_event(Message("d", "x", incident(state))) for state in (FIRING, ACKNOWLEDGED, RESOLVED)]
    assert [each["event_action"] for each in events] == ["trigger", "acknowledge", "resolve"]
    assert {each["dedup_key"] for each in events} == {"ab" * 16}
    assert events[0]["payload"]["severity"] == "warning"
    assert events[0]["payload"]["summary"]
    assert events[0]["payload"]["source"] == "cam-0"


def test_a_webhook_is_signed_over_timestamp_and_body():
    post = webhook_post(Message("d", "fire", incident()), "http://x/", "key", 17)
    expected = hmac.new(b"key", b"17." + post.body, sha256).hexdigest()
    assert post.headers[SIGNATURE_HEADER] == f"v1={expected}"
    assert post.headers[TIMESTAMP_HEADER] == "17"
    assert "key" not in repr(post)
