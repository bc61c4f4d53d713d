import pytest

from cvops_alerting.episodes.policy import wants_episode, wellness
from cvops_protos.v1.alerting_pb2 import Incident
from cvops_protos.v1.drift_pb2 import DriftEvent
from cvops_protos.v1.project_pb2 import Project

FAULTS = ["moved", "frozen"]


def an_incident(kind="drift", state=Incident.STATE_FIRING, severity=DriftEvent.SEVERITY_WARNING, alarms=()):
    cameras = ["a", "b", "c"]
    return Incident(incident_id=kind, kind=kind, state=state, severity=severity, cameras=cameras, alarms=alarms)


def a_fault(camera, signal, state=DriftEvent.STATE_OPENED):
    return DriftEvent(camera_id=camera, signal=signal, state=state)


@pytest.mark.parametrize(
    ("incident", "policy", "expected"),
    [
        (an_incident(), {}, True),
        (an_incident(kind="camera"), {}, False),
        (an_incident(state=Incident.STATE_PENDING), {}, False),
        (an_incident(state=Incident.STATE_ACKNOWLEDGED), {}, True),
        (an_incident(state=Incident.STATE_RESOLVED), {}, False),
        (an_incident(severity=DriftEvent.SEVERITY_INFO), {}, False),
        (an_incident(severity=DriftEvent.SEVERITY_INFO), {"least_severity": "info"}, True),
        (an_incident(), {"enabled": False}, False),
    ],
)
def test_which_incident_wants_an_episode(incident, policy, expected):
    assert (
        wants_episode(incident, Project.LoopPolicy(**{"enabled": True, "least_severity": "warning"} | policy))
        == expected
    )


class TestWellness:
    def test_a_camera_with_a_fault_of_the_picture_is_left_out(self):
        faulty = an_incident("camera", alarms=[a_fault("b", "camera.moved"), a_fault("b", "camera.frozen")])
        found = wellness(an_incident().cameras, [faulty], FAULTS)
        assert found.well == ("a", "c")
        assert found.left_out == {"b": ("camera.frozen", "camera.moved")}

    def test_a_fault_that_is_over_or_does_not_change_the_picture_leaves_it_well(self):
        over = a_fault("a", "camera.moved", DriftEvent.STATE_CLOSED)
        faulty = an_incident("camera", alarms=[over, a_fault("c", "camera.late")])
        assert wellness(an_incident().cameras, [faulty], FAULTS).well == ("a", "b", "c")

    def test_a_resolved_incident_says_nothing(self):
        faulty = an_incident("camera", Incident.STATE_RESOLVED, alarms=[a_fault("b", "camera.moved")])
        assert wellness(an_incident().cameras, [faulty], FAULTS).well == ("a", "b", "c")
