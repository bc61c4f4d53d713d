"""Predictions of a quiet camera and of one that changes, and a running drift on real engines."""

from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from cvops_common.records import Record
from cvops_drift.settings import DriftSettings
from cvops_monitoring.stream.frames import INPUTS, Frames
from cvops_protos.v1.prediction_pb2 import ModelRef, ModelRole, Prediction
from tests.conftest import Engines

MODEL = ModelRef(name="detector", version="1", bundle_sha256="ab" * 32)


def predictions_of(frames: Frames, camera_id: str, model: ModelRef = MODEL) -> list[Prediction]:
    """The events that say what `frames` say."""
    return [_prediction(frames, i, camera_id, model) for i in range(len(frames))]


def _prediction(frames: Frames, i: int, camera_id: str, model: ModelRef) -> Prediction:
    values = dict(zip(INPUTS, frames.inputs[i].tolist(), strict=True))
    prediction = Prediction(
        prediction_id=f"p-{frames.ids[i]}",
        frame_id=frames.ids[i],
        camera_id=camera_id,
        project="roads",
        model=model,
        role=ModelRole.MODEL_ROLE_CHAMPION,
        width=640,
        height=480,
        embedding=frames.embedding[i].astype("<f2").tobytes(),
        embedding_dim=frames.embedding.shape[1],
        outlier_score=float(frames.novelty[i]),
    )
    prediction.captured_at.FromNanoseconds(round(frames.time_s[i] * 1e9))
    stats = prediction.stats
    stats.ratio, stats.brightness_mean, stats.brightness_std = values["ratio"], values["brightness"], 50
    stats.contrast, stats.saturation = values["contrast"], values["saturation"]
    stats.sharpness, stats.entropy = values["sharpness"], values["entropy"]
    stats.cast_a, stats.cast_b = values["cast_a"], values["cast_b"]
    class_ids = np.repeat(np.arange(frames.counts.shape[1]), frames.counts[i])
    prediction.detections.class_id = class_ids.astype("<u2").tobytes()
    scores = np.full(len(class_ids), np.nan_to_num(frames.confidence[i]))
    prediction.detections.score = scores.astype("<f4").tobytes()
    prediction.where.uri, prediction.where.length = "segments/a.seg", 100
    prediction.latencies.infer.FromNanoseconds(15_000_000)
    return prediction


def records_of(messages: Sequence[object], topic: str = "predictions", begin: int = 0) -> list[Record]:
    """The messages as they come from partition 0."""
    return [Record(message, "", topic, 0, begin + i) for i, message in enumerate(messages)]


@pytest.fixture
def camera_id() -> str:
    return f"drift-{uuid4().hex[:8]}"


@pytest.fixture
def settings(engines: Engines, tmp_path: Path) -> DriftSettings:
    return DriftSettings(
        kafka=engines.kafka,
        mongo=engines.mongo,
        objects=(tmp_path / "objects").as_uri(),
        keys=tmp_path / "keys.json",
        reference_frames=512,
        reference_span_s=0,
        hold_s=30,
        save_every_s=1,
    )
