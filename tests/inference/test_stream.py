"""The stream on a real Kafka: frames in, predictions out, in order, and what cannot be predicted set aside."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlparse
from uuid import uuid4

import numpy as np
import pytest
from aiokafka import AIOKafkaProducer

from cvops_bundles.bundle import Bundle
from cvops_common.objects import Objects
from cvops_common.records import Record
from cvops_common.topics import FRAMES, dead_letter_topic
from cvops_inference.bundle_cache import BundleCache
from cvops_inference.engine import Engine
from cvops_inference.models import Models
from cvops_inference.stream import Stream
from cvops_protos.v1.camera_pb2 import Camera
from cvops_protos.v1.frame_pb2 import Frame
from cvops_protos.v1.model_pb2 import ModelReleased
from cvops_protos.v1.prediction_pb2 import MODEL_ROLE_CHAMPION, MODEL_ROLE_SHADOW, Prediction
from tests.common.test_bus import read_all
from tests.inference.conftest import TRACEPARENT, Running, box_of, detections, monitor, picture, png

pytestmark = pytest.mark.engines


async def dead_letters(inference: Running, key: str, count: int) -> list[dict[str, str]]:
    async with asyncio.timeout(30):
        while True:
            found = await read_all(inference.kafka_url, dead_letter_topic(FRAMES, "inference"), key)
            if len(found) >= count:
                return [headers for _, headers in found]
            await asyncio.sleep(0.1)


async def test_every_frame_has_one_prediction_in_order_with_all_that_its_reader_needs(
    inference: Running, make_bundle: Callable[..., Bundle], project: str, tmp_path: Path
) -> None:
    bundle = make_bundle(project, monitor=monitor(tmp_path))
    await inference.release(bundle, project, project)
    camera_id = await inference.camera(project)
    frames = await inference.store(camera_id, project, [png(picture(n)) for n in range(100)])
    await inference.publish(frames)
    found = await inference.predictions(camera_id, 100)
    assert [prediction.frame_id for prediction in found] == [frame.frame_id for frame in frames]
    assert len({prediction.prediction_id for prediction in found}) == 100
    for n, (prediction, frame) in enumerate(zip(found, frames, strict=True)):
        assert detections(prediction) == ([box_of(n)], [1.0], [0])
        assert (prediction.sequence, prediction.project, prediction.where) == (n, project, frame.where)
        assert (prediction.width, prediction.height, prediction.config_revision) == (64, 48, 3)
        assert prediction.model.bundle_sha256 == bundle.sha256
        assert (prediction.role, prediction.source) == (MODEL_ROLE_CHAMPION, Prediction.SOURCE_STREAM)
        assert np.frombuffer(prediction.embedding, "<f2") == pytest.approx([1 / 48, 0, 0], abs=1e-4)
        assert prediction.outlier_score == pytest.approx(255 / 48 / 3)
        assert prediction.latencies.end_to_end.ToNanoseconds() > prediction.latencies.infer.ToNanoseconds() > 0
    (_, headers), *_ = await read_all(inference.kafka_url, "predictions", camera_id)
    assert headers["traceparent"].split("-")[1] == TRACEPARENT.split("-")[1]


async def test_what_cannot_be_predicted_goes_to_the_dead_letters_and_the_stream_goes_on(
    inference: Running, make_bundle: Callable[..., Bundle], project: str
) -> None:
    await inference.release(make_bundle(project), project, project)
    camera_id = await inference.camera(project)
    good = await inference.store(camera_id, project, [png(picture(n)) for n in range(6)])
    (gone,) = await inference.store(camera_id, project, [png(picture(0))], first=10)
    await inference.objects.delete([gone.where.uri])
    torn, lying = await inference.store(camera_id, project, [png(picture(0))[:-20], b"words, no image"], first=20)
    (sizeless,) = await inference.store(camera_id, project, [png(picture(0))], first=30)
    sizeless.width = 0

    await inference.publish([good[0], gone, good[1], torn, good[2], lying, good[3], sizeless, good[4]])
    raw = AIOKafkaProducer(bootstrap_servers=inference.kafka_url)
    await raw.start()
    try:
        headers = [("ce_type", b"cvops.frame.v1")]
        await raw.send_and_wait(FRAMES, b"\xff\xff\xff", key=camera_id.encode(), headers=headers)
    finally:
        await raw.stop()
    await inference.publish([good[5]])

    found = await inference.predictions(camera_id, 6)
    assert [prediction.sequence for prediction in found] == [0, 1, 2, 3, 4, 5]
    set_aside = await dead_letters(inference, camera_id, 5)
    reasons = sorted(headers["dlq-reason"] for headers in set_aside)
    assert reasons == sorted(["not_found", "undecodable", "undecodable", "undecodable", "bad_record"])
    assert all(headers["dlq-origin-topic"] == FRAMES for headers in set_aside)


async def test_an_object_store_that_is_away_is_waited_for(
    inference: Running, make_bundle: Callable[..., Bundle], project: str
) -> None:
    await inference.release(make_bundle(project), project, project)
    camera_id = await inference.camera(project)
    frames = await inference.store(camera_id, project, [png(picture(n)) for n in range(3)])
    root = Path(urlparse(inference.settings.objects).path)
    hidden = root.with_name("away")
    root.rename(hidden)
    root.write_text("no folder")  # neither there nor missing: as a disk that fails
    await inference.publish(frames)
    await asyncio.sleep(1.5)  # longer than three tries take
    root.unlink()
    hidden.rename(root)
    assert [p.sequence for p in await inference.predictions(camera_id, 3)] == [0, 1, 2]


async def test_frames_that_come_before_the_registration_of_their_camera_wait_for_it(
    inference: Running, make_bundle: Callable[..., Bundle], project: str
) -> None:
    await inference.release(make_bundle(project), project, project, selector="site=north")
    camera_id = f"cam-{uuid4().hex[:10]}"
    await inference.publish(await inference.store(camera_id, project, [png(picture(n)) for n in range(5)]))
    await asyncio.sleep(0.3)  # the frames have been read by now
    await inference.bus.publish(Camera(camera_id=camera_id, project=project, site="north"), key=camera_id)
    assert [p.sequence for p in await inference.predictions(camera_id, 5)] == [0, 1, 2, 3, 4]


async def test_models_side_by_side_predict_each_frame_and_cameras_of_others_are_left_alone(
    inference: Running, make_bundle: Callable[..., Bundle], project: str
) -> None:
    await inference.release(make_bundle(f"{project} a"), project, f"{project}-a", selector="site=north")
    shadow = {"slot": "candidate", "stage": ModelReleased.STAGE_SHADOW, "selector": "site=north"}
    await inference.release(make_bundle(f"{project} b"), project, f"{project}-b", **shadow)
    north, south = await inference.camera(project, site="north"), await inference.camera(project, site="south")
    await inference.publish(await inference.store(south, project, [png(picture(0))]))
    await inference.publish(await inference.store(north, project, [png(picture(n)) for n in range(10)]))
    found = await inference.predictions(north, 20)
    assert [(p.sequence, p.role) for p in found] == [
        (n, role) for n in range(10) for role in (MODEL_ROLE_CHAMPION, MODEL_ROLE_SHADOW)
    ]
    assert len({p.prediction_id for p in found}) == 20
    assert await inference.predictions(south, 0) == []


async def test_a_swap_amid_the_stream_loses_and_doubles_and_mixes_nothing(
    inference: Running, make_bundle: Callable[..., Bundle], unsure_bundle: Bundle, project: str
) -> None:
    one, two = make_bundle(f"{project} one"), unsure_bundle
    await inference.release(one, project, project, "1")
    camera_id = await inference.camera(project)
    frames = await inference.store(camera_id, project, [png(picture(n)) for n in range(300)])
    pushing = asyncio.create_task(inference.publish(frames))
    await inference.release(two, project, project, "2")
    await pushing
    await inference.publish(await inference.store(camera_id, project, [png(picture(0))], first=300))
    found = await inference.predictions(camera_id, 301)
    assert [prediction.sequence for prediction in found] == list(range(301))
    assert {(p.model.version, p.model.bundle_sha256) for p in found} <= {("1", one.sha256), ("2", two.sha256)}
    assert found[-1].model.version == "2"
    score_of = {"1": 1.0, "2": 0.75}  # each answer is that of the model whose name it bears
    for prediction in found:
        box = box_of(prediction.sequence if prediction.sequence < 300 else 0)
        assert detections(prediction) == ([box], [score_of[prediction.model.version]], [0])


async def test_frames_that_are_too_old_are_dropped_and_those_in_time_are_not(
    make_bundle: Callable[..., Bundle], objects_url: str, tmp_path: Path
) -> None:
    objects = Objects(objects_url)
    models = Models(BundleCache(objects, tmp_path / "cache", 100), workers=1, max_batch=2)
    bundle = make_bundle()
    await objects.put(f"models/{bundle.sha256}.zip", bundle.path.read_bytes())
    message = ModelReleased(project="p", slot="champion", stage=ModelReleased.STAGE_CHAMPION, percent=100)
    message.model.bundle_sha256, message.bundle_uri = bundle.sha256, f"models/{bundle.sha256}.zip"
    await models.on_released([Record(message, "p/champion", "model-released", 0, 0)])
    image = png(picture(1))
    await objects.put("segments/one", image)

    def frame(age_s: float) -> Record[Frame]:
        frame = Frame(frame_id=uuid4().hex, camera_id="c", project="p", width=64, height=48, orientation=1, encoding=2)
        frame.where.uri, frame.where.length = "segments/one", len(image)
        frame.captured_at.FromNanoseconds(int((time.time() - age_s) * 1e9))
        return Record(frame, "c", FRAMES, 0, 0)

    async with Engine(workers=1, queue_limit=10) as engine:
        young, old = frame(0.1), frame(60)
        published = await Stream(models, engine, objects, max_age_s=5).predict([old, young])
        assert [event.message.frame_id for event in published] == [young.message.frame_id]
        assert len(await Stream(models, engine, objects, max_age_s=0).predict([old, young])) == 2
