"""A label of a frame that was drawn at random is a verdict on the model, once; any other label is none."""

import numpy as np
import pytest

from cvops_drift.verdicts import error_of
from cvops_protos.v1.drift_pb2 import DriftEvent
from cvops_protos.v1.labeling_pb2 import Label
from tests.drift.conftest import MODEL, predictions_of, records_of
from tests.drift.test_service import drift_of
from tests.monitoring.frames import quiet_frames

BEGIN_S = 1.7e9


def label_of(i: int, camera_id: str, *, wrong: bool, reason: str = "random") -> Label:
    """A frame with one car, that the model has found or has not."""
    label = Label(
        label_id=f"l-{i}", frame_id=f"frame-{i}", camera_id=camera_id, reason=reason, status=Label.STATUS_DONE,
        revision=1, predicted_by=MODEL.bundle_sha256, predicted_classes=["truck", "car"],
    )  # fmt: skip
    label.author.kind, label.author.name = "human", "ada"
    label.at.FromNanoseconds(int((BEGIN_S + i) * 1e9))
    box = label.annotations.add(id="a", class_name="car").box
    box.left, box.top, box.width, box.height = 100, 100, 50, 40
    left = 400 if wrong else 102
    label.predicted.xyxy = np.array([left, 100, left + 50, 140], "<f4").tobytes()
    label.predicted.score = np.array([0.9], "<f4").tobytes()
    label.predicted.class_id = np.array([1], "<u2").tobytes()
    return label


def test_the_error_is_one_minus_f1():
    assert error_of(label_of(1, "a", wrong=False)) == 0
    assert error_of(label_of(1, "a", wrong=True)) == 1
    half = label_of(1, "a", wrong=False)
    half.annotations.add(id="b", class_name="scooter").box.width = 20  # a class the model has never heard of
    assert error_of(half) == pytest.approx(1 / 3)
    weak = label_of(1, "a", wrong=False)
    weak.predicted.score = np.array([0.1], "<f4").tobytes()
    assert error_of(weak) == 1


@pytest.mark.parametrize("reason", ["uncertain", "novel", "exemplar", "diverse", ""])
def test_frames_that_were_chosen_for_a_reason_are_no_verdict(reason):
    assert error_of(label_of(1, "a", wrong=True, reason=reason)) is None


def test_models_labels_skipped_ones_and_damaged_predictions_are_no_verdict():
    by_model, skipped, unseen, damaged = (label_of(i, "a", wrong=True) for i in range(4))
    by_model.author.kind = "model"
    skipped.status = Label.STATUS_SKIPPED
    unseen.ClearField("predicted")
    damaged.predicted.xyxy = b"123"
    assert [error_of(each) for each in (by_model, skipped, unseen, damaged)] == [None] * 4


@pytest.mark.engines
async def test_labels_that_disagree_are_concept_drift_once_over_a_kill(settings, camera_id):
    rng = np.random.default_rng(2)
    labels = [label_of(i, camera_id, wrong=rng.random() < (0.1, 0.6)[i >= 200]) for i in range(320)]
    chosen = [label_of(i, camera_id, wrong=True, reason="uncertain") for i in range(1000, 1200)]
    frames = records_of(predictions_of(quiet_frames(rng, 8, BEGIN_S), camera_id))
    async with drift_of(settings) as drift:
        await drift.observe(frames)
        quiet = records_of([*labels[:200], *labels[:200], *chosen], "labels")
        assert await drift.observe(quiet) == []
        status = (await drift.statuses(camera_id))[0].models[0]
        assert status.error == pytest.approx(0.1, abs=0.06)
        await drift.save()
        first = [each.message for each in await drift.observe(records_of(labels[200:], "labels", begin=600))]
    async with drift_of(settings) as drift:  # killed before the alarm was saved: all comes again
        again = [each.message for each in await drift.observe([*quiet, *records_of(labels[200:], "labels", begin=600)])]
    assert [each.kind for each in first] == [DriftEvent.KIND_CONCEPT]
    assert [each.event_id for each in again] == [each.event_id for each in first]
