"""A camera is compared once with its training data and with all other cameras, and told of when it is unlike them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import numpy as np
import pytest

from cvops.domain_lines import domain_lines
from cvops_common.mongo import connect
from cvops_drift.service import Drift
from cvops_drift.settings import DriftSettings
from cvops_drift.store import Store
from cvops_drift.surroundings import Surroundings
from cvops_monitoring.domain.hotelling import Moments
from cvops_protos.v1.drift_pb2 import DriftEvent
from cvops_protos.v1.prediction_pb2 import ModelRef
from tests.drift.conftest import predictions_of, records_of
from tests.monitoring.frames import quiet_frames

pytestmark = pytest.mark.engines

BEGIN_S, DIMS, N = 1.7e9, 12, 520


@asynccontextmanager
async def drift_of(settings: DriftSettings, around: Surroundings) -> AsyncIterator[Drift]:
    async with connect(settings.mongo, "drift") as mongo, Store(mongo) as store:
        yield Drift(store, around, settings)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


@pytest.fixture
def model() -> ModelRef:
    """Of this test alone: cameras of other tests are no neighbours."""
    return ModelRef(name="detector", version="1", bundle_sha256=uuid4().hex * 2)


def knows(model: ModelRef) -> Surroundings:
    return Surroundings(training={model.bundle_sha256: Moments(np.zeros(DIMS), np.eye(DIMS), 400.0)})


async def told(drift: Drift, records: list) -> list[DriftEvent]:
    return [each.message for each in await drift.observe(records)]


async def test_a_camera_unlike_its_training_data_is_told_once_and_a_replay_tells_the_same(
    settings, camera_id, model, rng
):
    strange = records_of(predictions_of(quiet_frames(rng, 2 * N, BEGIN_S, dims=DIMS, shift=6), camera_id, model))
    async with drift_of(settings, knows(model)) as drift:
        (event,) = await told(drift, strange[:N])
    assert (event.kind, event.signal) == (DriftEvent.KIND_DOMAIN, "domain.training")
    assert event.state == DriftEvent.STATE_OPENED
    assert event.severity == DriftEvent.SEVERITY_WARNING
    assert "trained on" in event.text
    assert event.evidence.false_discovery_rate == pytest.approx(0.1)
    # Killed before it was saved; what is known of the bundle now would decide otherwise.
    async with drift_of(settings, Surroundings()) as drift:
        again = await told(drift, strange[:N])
        assert [each.event_id for each in again] == [event.event_id]
        await drift.save()
    async with drift_of(settings, knows(model)) as drift:
        assert await told(drift, strange) == []
        (status,) = await drift.statuses(camera_id)
        assert "domain.training" in status.models[0].alarms
        assert "sd from training" in domain_lines(status)[0]
        closed = [each.message for each in await drift.relearn(camera_id)]
        assert [(each.alarm_id, each.state) for each in closed] == [(event.alarm_id, DriftEvent.STATE_CLOSED)]


async def test_a_camera_like_its_training_data_and_the_others_is_not_told_of(settings, camera_id, model, rng):
    async with drift_of(settings, knows(model)) as drift:
        for i in range(6):
            frames = quiet_frames(rng, N, BEGIN_S, dims=DIMS)
            assert await told(drift, records_of(predictions_of(frames, f"{camera_id}-{i}", model))) == []


async def test_a_camera_is_compared_with_those_of_other_replicas(settings, camera_id, model, rng):
    for i in range(6):  # each watched by a replica of its own
        async with drift_of(settings, Surroundings()) as drift:
            frames = quiet_frames(rng, N, BEGIN_S, dims=DIMS)
            await drift.observe(records_of(predictions_of(frames, f"{camera_id}-{i}", model)))
    async with drift_of(settings, Surroundings()) as drift:
        frames = quiet_frames(rng, N, BEGIN_S, dims=DIMS, shift=6, brighter=60)
        (event,) = await told(drift, records_of(predictions_of(frames, camera_id, model)))
    assert event.signal == "domain.fleet"
    assert event.severity == DriftEvent.SEVERITY_INFO
    assert f"nearest is {camera_id}-" in event.text
    assert any("brightness 180" in line for line in event.why)
