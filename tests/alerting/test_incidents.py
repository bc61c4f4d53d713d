"""Which alarms are one incident, and what an incident says."""

from datetime import UTC, datetime, timedelta

from cvops_alerting.incidents.alarms import signs_of
from cvops_alerting.incidents.book import Book
from cvops_alerting.incidents.grouping import Rules
from cvops_alerting.incidents.sharing import Attributes, separating
from cvops_alerting.incidents.wording import onset
from cvops_protos.v1.alerting_pb2 import Incident
from cvops_protos.v1.camera_pb2 import CameraStatus
from cvops_protos.v1.drift_pb2 import DriftEvent
from cvops_protos.v1.training_pb2 import TrainingRun
from tests.alerting.conftest import BEGIN_S, alarm

NOW = datetime.fromtimestamp(BEGIN_S, UTC)
RULES = Rules(60, frozenset({"camera.moved", "camera.defocus"}))
FLEET: Attributes = {
    f"cam-{n}": {"firmware": "2.1" if n < 4 else "1.0", "site": "north" if n % 2 else "south"} for n in range(12)
}
CLOSED = DriftEvent.STATE_CLOSED


def book(fleet: Attributes = FLEET) -> Book:
    return Book("p", "precision", fleet)


def told(found: Book, *signs: DriftEvent, after_s: float = 0, pending_s: float = 5) -> list[Incident]:
    """The incidents that are open after some events."""
    for sign in signs:
        found.take(sign)
    found.settle(RULES, pending_s, NOW + timedelta(seconds=after_s))
    return [each for each in found.incidents.values() if each.state != Incident.STATE_RESOLVED]


def test_a_firmware_that_only_the_faulty_cameras_have_is_named_and_makes_them_one_incident():
    alarms = [alarm(f"cam-{n}", "p", "camera.late", since_s=BEGIN_S + 300 * n) for n in range(4)]
    found = book()
    for one in alarms:
        (incident, *rest) = told(found, one)
    assert rest == []
    assert list(incident.cameras) == ["cam-0", "cam-1", "cam-2", "cam-3"]
    assert list(incident.shared) == ["firmware=2.1"]
    assert "firmware=2.1: 4 of 4 cameras, 0 of 8 others" in incident.title
    assert incident.kind == "camera"


def test_the_same_fault_on_cameras_with_nothing_in_common_is_one_incident_each():
    fleet = {f"cam-{n}": {"firmware": str(n)} for n in range(6)}
    found = told(book(fleet), alarm("cam-0", "p", "camera.moved"), alarm("cam-1", "p", "camera.moved", BEGIN_S + 900))
    assert sorted(list(each.cameras) for each in found) == [["cam-0"], ["cam-1"]]


def test_an_attribute_that_healthy_cameras_have_as_well_separates_nothing():
    fleet = {f"cam-{n}": {"site": "north" if n < 8 else "south"} for n in range(10)}
    assert separating({"cam-0", "cam-1"}, fleet) is None


def test_drift_within_the_group_time_is_one_incident_and_later_drift_another():
    near = told(book(), alarm("cam-0", "p"), alarm("cam-5", "p", since_s=BEGIN_S + 50))
    far = told(book(), alarm("cam-0", "p"), alarm("cam-5", "p", since_s=BEGIN_S + 500))
    assert [list(each.cameras) for each in near] == [["cam-0", "cam-5"]]
    assert len(far) == 2


def test_drift_that_is_noticed_together_is_one_incident_though_its_begin_is_estimated_minutes_apart():
    early, late = alarm("cam-0", "p", since_s=BEGIN_S - 200), alarm("cam-5", "p")
    early.opened_at.FromNanoseconds(int((BEGIN_S + 20) * 1e9))
    assert [list(each.cameras) for each in told(book(), early, late)] == [["cam-0", "cam-5"]]


def test_all_that_a_turned_camera_tells_is_one_camera_incident_in_whatever_order_it_comes():
    events = [
        alarm("cam-0", "p", "embedding"),
        alarm("cam-0", "p", "class_rate:truck", BEGIN_S + 400),
        alarm("cam-0", "p", "camera.moved", BEGIN_S + 5),
    ]
    for order in (events, events[::-1]):
        found = book()
        for event in order:
            incidents = told(found, event)
        assert [(each.kind, len(each.alarms)) for each in incidents] == [("camera", 3)]


def test_an_outage_of_the_fleet_does_not_hide_in_the_incident_of_a_camera_that_was_turned_before():
    away = [next(signs_of(status(CameraStatus.STATE_OFFLINE, BEGIN_S + 300, f"cam-{n}"))) for n in range(12)]
    for order in (away, away[::-1]):
        found = told(book(), alarm("cam-0", "p", "camera.moved"), *order, after_s=310)
        assert sorted(len(each.cameras) for each in found) == [1, 12]
    (both,) = told(book(), alarm("cam-0", "p", "camera.moved", BEGIN_S + 290), away[0], after_s=310)
    assert [each.signal for each in both.alarms] == ["camera.moved", "camera.offline"]


def test_a_turned_camera_leaves_the_incident_of_the_others():
    found = book()
    told(found, alarm("cam-0", "p"), alarm("cam-1", "p"), alarm("cam-2", "p"))
    incidents = told(found, alarm("cam-2", "p", "camera.moved"))
    assert sorted((each.kind, list(each.cameras)) for each in incidents) == [
        ("camera", ["cam-2"]),
        ("drift", ["cam-0", "cam-1"]),
    ]


def test_an_incident_fires_when_it_has_lasted_or_at_once_when_critical():
    found = book()
    assert told(found, alarm("cam-0", "p"), after_s=0)[0].state == Incident.STATE_PENDING
    assert told(found, after_s=4)[0].state == Incident.STATE_PENDING
    assert told(found, after_s=5)[0].state == Incident.STATE_FIRING
    critical = alarm("cam-0", "p", severity=DriftEvent.SEVERITY_CRITICAL)
    assert told(book(), critical)[0].state == Incident.STATE_FIRING


def test_events_twice_and_out_of_order_come_to_the_same():
    opened, closed = alarm("cam-0", "p"), alarm("cam-0", "p", state=CLOSED, after_s=60)
    updated = alarm("cam-0", "p", state=DriftEvent.STATE_UPDATED, after_s=30)
    found = book()
    (first,) = told(found, opened)
    assert told(found, updated, opened, updated)[0].incident_id == first.incident_id
    assert told(found, closed) == []
    assert told(found, opened, updated, closed, closed) == []
    assert [each.by for each in found.incidents.values()] == ["recovered"]
    assert next(iter(told(book(), opened))).incident_id == first.incident_id


def test_an_alarm_that_closed_before_its_opening_was_read_makes_no_incident():
    assert told(book(), alarm("cam-0", "p", state=CLOSED, after_s=60), alarm("cam-0", "p")) == []


def test_a_title_says_what_where_since_when_and_what_it_costs():
    one, two = alarm("cam-0", "p"), alarm("cam-1", "p")
    one.harm.before, one.harm.now, one.harm.loss = 0.71, 0.48, 0.23
    fleet = {f"cam-{n}": {"site": "north" if n < 2 else "south"} for n in range(4)}
    (incident,) = told(book(fleet), one, two)
    assert incident.title == (
        "Pictures changed on 2 cameras of site north (cam-0, cam-1) since 15:06 UTC; estimated precision .71 -> .48"
    )
    assert incident.fingerprint == "p/drift/site=north"


def status(state: int, since_s: int, camera_id: str = "cam-0") -> CameraStatus:
    found = CameraStatus(camera_id=camera_id, project="p", state=state)
    found.since.FromSeconds(since_s)
    return found


def test_a_camera_that_is_offline_is_an_incident_until_it_is_back():
    found = book()
    (away,) = signs_of(status(CameraStatus.STATE_OFFLINE, BEGIN_S))
    (back,) = signs_of(status(CameraStatus.STATE_ONLINE, BEGIN_S + 60))
    (incident,) = told(found, away)
    assert (incident.kind, incident.alarms[0].signal) == ("camera", "camera.offline")
    assert told(found, back, away) == []


def test_a_failed_training_is_an_incident_until_one_works():
    found = book()
    runs = [TrainingRun(run_id=name, project="p", text="out of memory") for name in ("a", "b")]
    runs[0].state, runs[1].state = TrainingRun.STATE_FAILED, TrainingRun.STATE_PASSED
    for i, run in enumerate(runs):
        run.ended_at.FromSeconds(BEGIN_S + i)
    (incident,) = told(found, *signs_of(runs[0]))
    assert incident.kind == "training"
    assert "out of memory" in incident.title
    assert told(found, *signs_of(runs[1])) == []


def test_drift_that_outlives_the_fault_of_its_camera_becomes_a_drift_incident():
    found = book()
    told(found, alarm("cam-0", "p", "camera.moved"), alarm("cam-0", "p"))
    over = alarm("cam-0", "p", "camera.moved", state=CLOSED, after_s=10)
    assert [each.kind for each in told(found, over, after_s=20)] == ["camera"]
    assert [each.kind for each in told(found, after_s=300)] == ["drift"]


def test_a_model_that_answers_faster_is_no_incident():
    event = alarm("cam-0", "p", "inference_time")
    for effect, signs in ((-0.5, []), (2.0, [event])):
        event.evidence.effect = effect
        assert list(signs_of(event)) == signs


def test_an_onset_is_the_median_of_the_camera_that_changed_first():
    early = [alarm("cam-0", "p", signal, since_s=BEGIN_S + at) for signal, at in (("a", -60), ("b", 0), ("c", 2))]
    late = [alarm("cam-1", "p", signal, since_s=BEGIN_S + at) for signal, at in (("a", -300), ("b", 40), ("c", 42))]
    assert onset([*late, *early]).ToNanoseconds() == BEGIN_S * 1e9
