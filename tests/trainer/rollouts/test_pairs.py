import numpy as np

from cvops_protos.v1.labeling_pb2 import Annotation, Label
from cvops_protos.v1.prediction_pb2 import Prediction
from cvops_trainer.rollouts.pairs import Pairs

CLASSES = ("car", "bus")


def said(frame, sha256, boxes, at_s=1000.0, infer_ms=5):
    prediction = Prediction(frame_id=frame, camera_id="c")
    prediction.model.bundle_sha256 = sha256
    prediction.captured_at.FromNanoseconds(int(at_s * 1e9))
    prediction.detections.xyxy = np.array([box for box, _, _ in boxes], "<f4").tobytes()
    prediction.detections.score = np.array([score for _, score, _ in boxes], "<f4").tobytes()
    prediction.detections.class_id = np.array([number for _, _, number in boxes], "<u2").tobytes()
    prediction.latencies.infer.FromMilliseconds(infer_ms)
    prediction.latencies.batch_size = 1
    return prediction


def label(frame, *boxes):
    annotations = [
        Annotation(class_name=name, ignore=ignore, box=Annotation.Box(left=x, top=0, width=10, height=10))
        for name, x, ignore in boxes
    ]
    return Label(frame_id=frame, camera_id="c", status=Label.STATUS_DONE, annotations=annotations)


BOX = ([0, 0, 10, 10], 0.9, 0)
WRONG = ([50, 50, 60, 60], 0.8, 0)


def test_two_answers_make_a_pair_once_and_a_label_a_second_one():
    pairs = Pairs("new", "old", CLASSES)
    assert pairs.on_prediction(said("f", "new", [BOX])) == []
    assert pairs.on_prediction(said("f", "other", [BOX])) == []
    (first,) = pairs.on_prediction(said("f", "old", [WRONG]))
    assert first.f1 is None
    assert first.candidate.finds > first.champion.finds
    assert pairs.on_prediction(said("f", "old", [WRONG])) == []
    (labelled,) = pairs.on_label(label("f", ("car", 0, False)))
    assert labelled.f1 == (1.0, 0.0)
    assert pairs.on_label(label("f", ("car", 0, False))) == []


def test_a_label_may_come_before_the_answers():
    pairs = Pairs("new", "old", CLASSES)
    assert pairs.on_label(label("f", ("bus", 0, False))) == []
    pairs.on_prediction(said("f", "old", [BOX]))
    found = pairs.on_prediction(said("f", "new", [([0, 0, 10, 10], 0.9, 1)]))
    assert [pair.f1 for pair in found] == [None, (1.0, 0.0)]


def test_what_is_to_be_ignored_counts_for_nobody():
    pairs = Pairs("new", "old", CLASSES)
    pairs.on_prediction(said("f", "old", []))
    pairs.on_prediction(said("f", "new", [BOX]))
    (pair,) = pairs.on_label(label("f", ("car", 0, True)))
    assert pair.f1 == (1.0, 1.0)


def test_a_skipped_label_tells_nothing():
    pairs = Pairs("new", "old", CLASSES)
    pairs.on_prediction(said("f", "old", [BOX]))
    pairs.on_prediction(said("f", "new", [BOX]))
    skipped = label("f")
    skipped.status = Label.STATUS_SKIPPED
    assert pairs.on_label(skipped) == []


def test_frames_that_the_candidate_leaves_out_are_counted_after_ten_seconds_from_its_first_answer_on():
    pairs = Pairs("new", "old", CLASSES)
    for second in range(30):
        pairs.on_prediction(said(f"f{second}", "old", [BOX], at_s=1000 + second))
    pairs.on_prediction(said("f5", "new", [BOX], at_s=1005))
    assert pairs.unanswered(int(1000e9)) == 13
    pairs.on_prediction(said("f0", "new", [BOX], at_s=1000))
    assert pairs.unanswered(int(1000e9)) == 17


def test_a_candidate_that_has_never_answered_has_thirty_seconds_to_load():
    pairs = Pairs("new", "old", CLASSES)
    for second in range(30):
        pairs.on_prediction(said(f"f{second}", "old", [BOX], at_s=1000 + second))
    assert pairs.unanswered(int(1000e9)) == 0
    for second in range(30, 60):
        pairs.on_prediction(said(f"f{second}", "old", [BOX], at_s=1000 + second))
    assert pairs.unanswered(int(1000e9)) == 29


def test_memory_is_bounded():
    pairs = Pairs("new", "old", CLASSES)
    for number in range(3100):
        pairs.on_prediction(said(f"f{number}", "old", []))
    assert pairs.on_prediction(said("f0", "new", [])) == []
