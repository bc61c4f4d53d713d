from datetime import UTC, datetime, timedelta

import pytest

from cvops_alerting.episodes import progress
from cvops_protos.v1.alerting_pb2 import Episode, Incident
from cvops_protos.v1.drift_pb2 import DriftEvent
from cvops_protos.v1.labeling_pb2 import DatasetReleased, Label, Pick, Selection
from cvops_protos.v1.training_pb2 import GateResult, Rollout, TrainingRun

NOW = datetime(2026, 3, 1, 14, 3, tzinfo=UTC)


def at(message, name, seconds):
    getattr(message, name).FromDatetime(NOW + timedelta(seconds=seconds))
    return message


def alarm(camera, number, seconds):
    return at(DriftEvent(alarm_id=f"a{number}", camera_id=camera, text="brightness changed"), "opened_at", seconds)


def an_incident():
    incident = Incident(incident_id="i1", project="roads", cameras=["north-2", "north-1"])
    incident.alarms.extend([alarm("north-2", 2, 9), alarm("north-1", 1, 7), alarm("west-1", 3, 1)])
    at(at(incident, "since", 0), "opened_at", 8)
    return incident


def an_episode():
    return progress.opened(an_incident(), ["north-2", "north-1"], 0, NOW + timedelta(seconds=10))


def a_selection():
    picks = [Pick(frame_id=f"f{i}", reason="random" if i < 3 else "uncertain") for i in range(10)]
    selection = Selection(selection_id="s1", picks=picks, candidates=300, boxes=70, purpose="train")
    return at(selection, "at", 20)


def a_run(state, **fields):
    run = TrainingRun(run_id="r1", state=state, recipe="detector-tiny", steps=250, cpu_s=41.5, **fields)
    return at(at(run, "started_at", 30), "ended_at", 70)


def a_rollout(state, seconds, text=""):
    rollout = Rollout(rollout_id="o1", state=state, cameras=["north-1", "north-2"], text=text)
    rollout.candidate.name, rollout.candidate.version = "roads", "2"
    return at(rollout, "stage_since", seconds)


class TestOpened:
    def test_is_about_the_cameras_given_and_tells_their_alarms_in_order(self):
        episode = an_episode()
        assert list(episode.cameras) == ["north-1", "north-2"]
        assert [step.source_id for step in episode.steps] == ["a1", "a2", "i1"]
        assert episode.detected_at.ToDatetime(UTC) == NOW + timedelta(seconds=7)

    def test_has_an_id_that_a_replay_gives_again(self):
        assert an_episode().episode_id == an_episode().episode_id
        assert progress.episode_id("i1", 0) != progress.episode_id("i1", 1)


class TestTheWay:
    def test_every_event_moves_it_on_and_twice_changes_nothing(self):
        episode = an_episode()
        progress.selecting(episode, ["north-1", "north-2"], [], NOW)
        gates = [GateResult(gate="gain", passed=True, text="gain .40")]
        metrics = {"metrics": {"new.map50": 0.66}, "base_metrics": {"new.map50": 0.19}}
        way = [
            (lambda: progress.on_selection(episode, a_selection()), Episode.STATE_LABELING),
            (
                lambda: progress.on_dataset(episode, at(DatasetReleased(name="roads", version="v1"), "at", 28)),
                Episode.STATE_TRAINING,
            ),
            (lambda: progress.on_run(episode, a_run(TrainingRun.STATE_RUNNING), NOW), Episode.STATE_TRAINING),
            (
                lambda: progress.on_run(episode, a_run(TrainingRun.STATE_PASSED, gates=gates, **metrics), NOW),
                Episode.STATE_TRYING,
            ),
            (lambda: progress.on_rollout(episode, a_rollout(Rollout.STATE_SHADOW, 72), NOW), Episode.STATE_TRYING),
            (lambda: progress.on_rollout(episode, a_rollout(Rollout.STATE_CANARY, 80), NOW), Episode.STATE_TRYING),
            (
                lambda: progress.on_rollout(episode, a_rollout(Rollout.STATE_PROMOTED, 90), NOW),
                Episode.STATE_CONFIRMING,
            ),
            (
                lambda: progress.on_rollout(episode, a_rollout(Rollout.STATE_CONFIRMED, 99, "F1 .31 -> .70"), NOW),
                Episode.STATE_RECOVERED,
            ),
        ]
        for step, state in way:
            assert step()
            assert episode.state == state
            assert not step()
        assert episode.text == "F1 .31 -> .70"
        assert episode.map50_before == pytest.approx(0.19)
        assert [step.what for step in episode.steps][-7:] == [
            "dataset",
            "run",
            "gates",
            "shadow",
            "canary",
            "champion",
            "confirmed",
        ]
        assert "0.19 -> 0.66" in progress.summary(episode)

    def test_an_event_that_is_overtaken_does_not_move_it_back(self):
        episode = an_episode()
        progress.on_run(episode, a_run(TrainingRun.STATE_PASSED), NOW)
        assert progress.on_selection(episode, a_selection())
        assert episode.state == Episode.STATE_TRYING
        assert [step.what for step in episode.steps][-1] == "run"

    def test_an_audit_is_no_step(self):
        episode = an_episode()
        selection = a_selection()
        selection.purpose = "audit"
        assert not progress.on_selection(episode, selection)

    def test_labels_are_counted_and_their_time(self):
        episode = an_episode()
        for number, revision in ((1, 1), (2, 1), (1, 2)):
            progress.on_label(episode, Label(frame_id=f"f{number}", revision=revision, seconds_spent=4.0))
        assert episode.labels == 2
        assert episode.label_seconds == 12.0


class TestEnds:
    @pytest.mark.parametrize(
        "state", [TrainingRun.STATE_REFUSED, TrainingRun.STATE_FAILED, TrainingRun.STATE_CANCELLED]
    )
    def test_a_run_without_a_model_ends_it(self, state):
        episode = an_episode()
        progress.on_run(episode, a_run(state, text="loss is NaN at step 12"), NOW)
        assert episode.state == Episode.STATE_GAVE_UP
        assert "loss is NaN at step 12" in episode.text

    def test_a_rollback_ends_it(self):
        episode = an_episode()
        progress.on_rollout(episode, a_rollout(Rollout.STATE_ROLLED_BACK, 80, "worse"), NOW)
        assert episode.state == Episode.STATE_GAVE_UP

    def test_nothing_moves_an_ended_one(self):
        episode = an_episode()
        progress.end(episode, Episode.STATE_GAVE_UP, "time is up", NOW)
        assert not progress.end(episode, Episode.STATE_RECOVERED, "", NOW)
        progress.on_rollout(episode, a_rollout(Rollout.STATE_CONFIRMED, 99), NOW)
        assert episode.state == Episode.STATE_GAVE_UP

    def test_no_camera_is_well(self):
        episode = an_episode()
        progress.selecting(episode, [], ["north-1: camera.moved"], NOW)
        assert episode.state == Episode.STATE_GAVE_UP
        assert "camera.moved" in episode.text
