"""Drift keeps its state exactly, tells what changed with its reasons, and survives what should not be sent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import bson
import numpy as np
import pytest

from cvops_common.mongo import connect
from cvops_drift.service import Drift
from cvops_drift.settings import DriftSettings
from cvops_drift.store import Store
from cvops_drift.surroundings import Surroundings
from cvops_protos.v1.camera_pb2 import Camera
from cvops_protos.v1.drift_pb2 import DriftEvent, Feedback
from tests.drift.conftest import MODEL, predictions_of, records_of
from tests.monitoring.frames import quiet_frames

pytestmark = pytest.mark.engines

BEGIN_S = 1.7e9


@asynccontextmanager
async def drift_of(settings: DriftSettings, around: Surroundings | None = None) -> AsyncIterator[Drift]:
    """A service over the store; leaving it without `save` is what a kill -9 leaves."""
    async with connect(settings.mongo, "drift") as mongo, Store(mongo) as store:
        yield Drift(store, around or Surroundings(), settings)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


async def events_of(drift: Drift, records: list) -> list[DriftEvent]:
    events: list[DriftEvent] = []
    for begin in range(0, len(records), 100):
        events += [each.message for each in await drift.observe(records[begin : begin + 100])]
    return events


async def test_a_change_is_told_once_with_reasons_and_exemplars(settings, camera_id, rng):
    quiet = quiet_frames(rng, 900, BEGIN_S)
    changed = quiet_frames(rng, 200, BEGIN_S + 900, shift=0.8, brighter=15)
    around = Surroundings()
    camera = Camera(camera_id=camera_id, firmware="2.1")
    camera.updated_at.FromSeconds(int(BEGIN_S) + 880)
    around.cameras[camera_id] = camera
    async with drift_of(settings, around) as drift:
        assert await events_of(drift, records_of(predictions_of(quiet, camera_id))) == []
        events = await events_of(drift, records_of(predictions_of(changed, camera_id), begin=900))
    opened = {event.signal: event for event in events if event.state == DriftEvent.STATE_OPENED}
    assert {"embedding", "brightness"} <= opened.keys() <= {"embedding", "brightness", "novelty"}
    event = opened["embedding"]
    assert event.kind == DriftEvent.KIND_DATA
    assert abs(event.since.ToSeconds() - (BEGIN_S + 900)) < 30
    assert event.evidence.false_alarm_days == 30
    assert event.evidence.effect_unit == "AUC"
    assert "firmware 2.1" in event.coincides[0]
    assert any("concept drift cannot be told" in line for line in event.why)
    assert {exemplar.role for exemplar in event.exemplars} == {"farthest", "typical"}
    assert event.exemplars[0].where.uri == "segments/a.seg"
    assert sum(event.histogram.now) == pytest.approx(1)


@pytest.mark.parametrize(("brighter", "warns"), [(-40.0, False), (25.0, True)])
async def test_harm_in_the_first_day_warns_but_not_in_its_first_dusk(settings, camera_id, rng, brighter, warns):
    quiet = quiet_frames(rng, 900, BEGIN_S)
    changed = quiet_frames(rng, 200, BEGIN_S + 900, brighter=brighter)
    changed = replace(changed, confidence=changed.confidence * 0.6)
    async with drift_of(settings.model_copy(update={"reference_span_s": 86_400.0})) as drift:
        assert await events_of(drift, records_of(predictions_of(quiet, camera_id))) == []
        events = await events_of(drift, records_of(predictions_of(changed, camera_id), begin=900))
    assert any(event.harm.low > 0.1 for event in events)
    assert any(event.severity > DriftEvent.SEVERITY_INFO for event in events) == warns
    darker = [event for event in events if any("darker than the reference ever was" in line for line in event.why)]
    assert bool(darker) != warns


async def test_cameras_of_other_replicas_are_asked_too(settings, camera_id, rng):
    quiet, changed = quiet_frames(rng, 900, BEGIN_S), quiet_frames(rng, 200, BEGIN_S + 900, shift=0.8, brighter=15)
    there, here = f"{camera_id}-there", f"{camera_id}-here"
    async with drift_of(settings) as other, drift_of(settings) as drift:
        for replica, camera in ((other, there), (drift, here)):
            assert await events_of(replica, records_of(predictions_of(quiet, camera))) == []
        await events_of(other, records_of(predictions_of(changed, there), begin=900))
        await other.save()
        await drift.save()
        events = await events_of(drift, records_of(predictions_of(changed, here), begin=900))
    why = next(event.why for event in events if event.signal == "brightness")
    told = next(line for line in why if "other cameras tell the same" in line)
    assert int(told.split()[0]) >= 1


async def test_a_crash_replays_into_the_same_state_and_the_same_events(settings, camera_id, rng):
    frames = quiet_frames(rng, 1400, BEGIN_S)
    frames = replace(frames, embedding=frames.embedding + np.float32(0.8) * (np.arange(1400) >= 900)[:, None])
    records = records_of(predictions_of(frames, camera_id))
    async with drift_of(settings) as drift:
        expected = await events_of(drift, records)
    seen: list[DriftEvent] = []
    for saved, died in ((300, 450), (700, 903), (930, 1200)):
        async with drift_of(settings) as drift:
            # The committed offset is older than what the state includes: both are replayed.
            seen += await events_of(drift, records[max(0, saved - 500) : saved])
            await drift.save()
            seen += await events_of(drift, records[saved:died])
    async with drift_of(settings) as drift:
        seen += await events_of(drift, records[800:])
        status = (await drift.statuses(camera_id))[0]
    assert expected
    once = {event.event_id: event for event in seen}
    assert [event.event_id for event in once.values()] == [event.event_id for event in expected]
    assert status.problems == []


async def test_a_state_of_another_version_is_left_behind_and_named(settings, camera_id, rng):
    records = records_of(predictions_of(quiet_frames(rng, 900, BEGIN_S), camera_id))
    async with drift_of(settings) as drift:
        await events_of(drift, records[:700])
        await drift.save()
    async with connect(settings.mongo, "drift") as mongo:
        states = mongo.db["cameras"]
        older = bson.decode((await states.find_one({"_id": camera_id}))["state"]) | {"format": 1, "models": {"?": 0}}
        await states.update_one({"_id": camera_id}, {"$set": {"state": bson.encode(older)}})
    async with drift_of(settings) as drift:
        assert await events_of(drift, records[600:]) == []
        status = (await drift.statuses(camera_id))[0]
    assert [model.frames for model in status.models] == [200]
    assert status.problems == ["state of another version of drift was left behind: references are learned anew: 1"]


async def test_what_cannot_be_used_is_named_and_raises_nothing(settings, camera_id, rng):
    messages = predictions_of(quiet_frames(rng, 900, BEGIN_S), camera_id)
    poison = predictions_of(quiet_frames(rng, 40, BEGIN_S + 900), camera_id)
    for i, prediction in enumerate(poison):
        size = 32 if i % 2 else 64
        prediction.embedding = np.full(size, np.nan if i % 2 else 1.0, "<f2").tobytes()
    after = predictions_of(quiet_frames(rng, 200, BEGIN_S + 940), camera_id)
    backwards = predictions_of(quiet_frames(rng, 20, BEGIN_S + 100), camera_id)
    async with drift_of(settings) as drift:
        events = await events_of(drift, records_of([*messages, *poison, *backwards, *after, *after]))
        problems = (await drift.statuses(camera_id))[0].problems
    assert events == []
    assert "embedding has 64 values, expected 32: the frame is left out: 20" in problems
    assert "embedding is not finite: the frame is left out: 20" in problems


async def test_a_new_model_warms_up_by_itself(settings, camera_id, rng):
    other = type(MODEL)(name="detector", version="2", bundle_sha256="cd" * 32)
    old = predictions_of(quiet_frames(rng, 700, BEGIN_S), camera_id)
    new = predictions_of(quiet_frames(rng, 300, BEGIN_S + 700, dims=16, shift=2), camera_id, other)
    async with drift_of(settings) as drift:
        assert await events_of(drift, records_of([*old, *new])) == []
        status = (await drift.statuses(camera_id))[0]
    stages = {model.model.version: model.stage for model in status.models}
    assert stages == {"2": "learning"}  # the old one has not predicted for half a minute


async def test_verdicts_that_disagree_are_concept_drift_and_one_counts_once(settings, camera_id, rng):
    messages = predictions_of(quiet_frames(rng, 8, BEGIN_S), camera_id)
    verdicts = [
        Feedback(
            feedback_id=f"f{i}", camera_id=camera_id, model=MODEL, error=float(rng.random() < (0.1, 0.5)[i >= 400])
        )
        for i in range(800)
    ]
    twice = [verdict for verdict in verdicts[:400] for _ in range(2)]
    async with drift_of(settings) as drift:
        await events_of(drift, records_of(messages))
        assert await events_of(drift, records_of(twice, "feedback")) == []
        events = await events_of(drift, records_of(verdicts[400:], "feedback", begin=800))
        status = (await drift.statuses(camera_id))[0].models[0]
    assert [event.kind for event in events] == [DriftEvent.KIND_CONCEPT]
    assert "error rate" in events[0].text
    assert status.error_low < 0.3 < status.error_high


async def test_relearning_closes_what_is_open(settings, camera_id, rng):
    quiet = quiet_frames(rng, 700, BEGIN_S)
    changed = quiet_frames(rng, 100, BEGIN_S + 700, brighter=30)
    async with drift_of(settings) as drift:
        # Beside cameras of other tests it may be found unlike them in its quiet time already.
        opened = await events_of(drift, records_of(predictions_of(quiet, camera_id)))
        opened += await events_of(drift, records_of(predictions_of(changed, camera_id), begin=700))
        closed = [each.message for each in await drift.relearn(camera_id)]
        assert {event.alarm_id for event in closed} == {event.alarm_id for event in opened}
        assert {event.state for event in closed} == {DriftEvent.STATE_CLOSED}
    async with drift_of(settings) as drift:
        assert (await drift.statuses(camera_id))[0].models[0].stage == "learning"
        report = await drift.report(camera_id, None)
    assert len(report.events) == len({event.event_id for event in [*opened, *closed]})
