"""The main job on real video: push two clips, one prediction per frame, in order, and the right things found."""

import base64
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.e2e.collector import Span, Traces
from tests.e2e.whole_platform import Platform

VEHICLES = {2, 5, 7}  # car, bus, truck in COCO's 80
PERSON = {0}
SCORE = 0.35
CLIPS = {"road": ("traffic_road_a.mp4", 850), "room": ("person_room_a.mp4", 600)}


@pytest.fixture(scope="module")
def predicted(platform: Platform, shared_data: Path) -> dict[str, list[dict[str, Any]]]:
    """Predictions by camera, after both clips went through."""
    platform.serve_yolox(shared_data)
    pushes = {}
    for camera, (clip, _) in CLIPS.items():
        platform.run("camera", "add", camera, "--site", "test")
        pushes[camera] = platform.start_command(
            "push", str(shared_data / "videos" / clip), "--camera", camera, "--fast"
        )
    for push in pushes.values():
        out, err = push.communicate(timeout=170)
        assert push.returncode == 0, out + err
    deadline = time.monotonic() + 120
    by_camera = {camera: predictions_of(platform, camera) for camera in CLIPS}
    while any(len(by_camera[camera]) < frames for camera, (_, frames) in CLIPS.items()):
        assert time.monotonic() < deadline, f"predictions are missing\n{platform.logs()}"
        time.sleep(0.5)
        by_camera = {camera: predictions_of(platform, camera) for camera in CLIPS}
    return by_camera


def predictions_of(platform: Platform, camera: str) -> list[dict[str, Any]]:
    """The predictions of one camera so far, in the order of the topic."""
    return [record["event"] for record in platform.tail("predictions", "--camera", camera)]


def share_with(predictions: list[dict[str, Any]], classes: set[int]) -> float:
    """Share of predictions with a box of one of `classes`."""
    hits = 0
    for prediction in predictions:
        detections = prediction["detections"]
        scores = np.frombuffer(base64.b64decode(detections.get("score", "")), "<f4")
        class_ids = np.frombuffer(base64.b64decode(detections.get("class_id", "")), "<u2")
        hits += bool(classes & set(class_ids[scores >= SCORE].tolist()))
    return hits / len(predictions)


@pytest.mark.parametrize("camera", CLIPS)
def test_every_pushed_frame_has_exactly_one_prediction_in_order(
    platform: Platform, predicted: dict[str, list[dict[str, Any]]], camera: str
) -> None:
    predictions = predicted[camera]
    assert [int(p.get("sequence", 0)) for p in predictions] == list(range(CLIPS[camera][1]))
    assert len({p["frame_id"] for p in predictions}) == CLIPS[camera][1]
    frames = [record["event"] for record in platform.tail("frames", "--camera", camera)]
    assert [f["frame_id"] for f in frames] == [p["frame_id"] for p in predictions]


def test_cars_are_found_on_the_road_and_persons_in_the_room(predicted: dict[str, list[dict[str, Any]]]) -> None:
    # YOLOX-nano itself: vehicles in 39 of 41 sampled frames, a person in 29 of 40; four standard errors of the samples.
    assert share_with(predicted["road"], VEHICLES) == pytest.approx(39 / 41, abs=0.06)
    assert share_with(predicted["room"], PERSON) == pytest.approx(29 / 40, abs=0.15)


def test_predictions_carry_embedding_statistics_and_latencies(predicted: dict[str, list[dict[str, Any]]]) -> None:
    prediction = predicted["road"][100]
    embedding = np.frombuffer(base64.b64decode(prediction["embedding"]), "<f2")
    assert embedding.size == prediction["embedding_dim"]
    assert 64 <= embedding.size <= 256
    assert np.isfinite(embedding).all()
    assert embedding.std() > 0
    assert prediction["stats"]["brightness_mean"] > 0
    assert (prediction["width"], prediction["height"]) == (320, 240)
    assert prediction["model"]["name"] == "coco"
    for step in ("queue", "decode", "infer", "post", "end_to_end"):
        assert float(prediction["latencies"][step].removesuffix("s")) >= 0


def test_one_trace_id_goes_from_push_to_prediction(platform: Platform, predicted: object) -> None:
    def traces(topic: str) -> dict[str, str]:
        records = platform.tail(topic, "--camera", "road")
        return {r["event"]["frame_id"]: r["headers"]["traceparent"].split("-")[1] for r in records}

    frames = traces("frames")
    assert frames == traces("predictions")
    assert len(set(frames.values())) == len(frames)


def test_the_steps_of_a_frame_are_exported_as_one_trace(platform: Platform, predicted: object, traces: Traces) -> None:
    record = platform.tail("predictions", "--camera", "road")[-1]
    trace_id = record["headers"]["traceparent"].split("-")[1]

    def spans() -> dict[str, Span]:
        return {span.name: span for span in traces.spans if span.trace_id == trace_id}

    deadline = time.monotonic() + 30  # exported in batches, every few seconds
    while len(spans()) < 2 and time.monotonic() < deadline:
        time.sleep(0.2)
    stored, predicted_ = spans()["ingest.frame"], spans()["inference.predict"]
    assert (stored.service, predicted_.service) == ("cvops-ingest", "cvops-inference")
    assert predicted_.parent_id == stored.span_id
    assert stored.attributes["frame"] == record["event"]["frame_id"]
    assert predicted_.attributes["model"] == "coco"


def test_the_ledger_balances(platform: Platform, predicted: object) -> None:
    for camera, (_, frames) in CLIPS.items():
        ledger = platform.json("camera", "status", camera)["ledger"]
        parts = ledger["stored"] + ledger["sampled_out"] + sum(ledger["rejected"].values()) + ledger["duplicates"]
        assert ledger["captured"] == parts + ledger["gaps"]
        assert ledger["stored"] == frames
