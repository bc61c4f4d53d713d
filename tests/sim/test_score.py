"""The scorer, on cases that can be reckoned by hand."""

import base64
import json
from collections.abc import Sequence

import numpy as np
import pytest

from cvops_sim.coco import coco_of
from cvops_sim.errors import ScoreError
from cvops_sim.predictions import Predicted, read_predictions
from cvops_sim.score import ALL, score, score_table
from cvops_sim.truth import ActiveEffect, FrameTruth, ObjectTruth

IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
CAR, BUS = (100, 100, 200, 160), (300, 100, 420, 220)
CLASSES = ("car", "bus")


def thing(xyxy: tuple[int, int, int, int], name: str = "car", ignored: str = "") -> ObjectTruth:
    return ObjectTruth("7", name, xyxy, 1.0, 20.0, ignored)


def truth(second: int, *objects: ObjectTruth, camera_id: str = "a") -> FrameTruth:
    return FrameTruth(camera_id, second * 10**9, second, 640, 360, objects, IDENTITY, (ActiveEffect("fog", 0.5),))


def said(
    second: int, boxes: Sequence[Sequence[float]], scores: Sequence[float], names: Sequence[str], camera_id: str = "a"
) -> Predicted:
    xyxy, confidence = np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32)
    return Predicted(camera_id, second * 10**9, (640, 360), xyxy, confidence, tuple(names))


def test_perfect_detections_score_one() -> None:
    frames = [truth(n, thing(CAR), thing(BUS, "bus")) for n in range(3)]
    predictions = [said(n, [CAR, BUS], [0.9, 0.8], ["car", "bus"]) for n in range(3)]
    for name, objects in ((ALL, 6), ("car", 3), ("bus", 3)):
        found = score(frames, predictions, classes=CLASSES)[name]
        assert (found.frames, found.objects, found.ap, found.ap50) == (3, objects, 1.0, 1.0)
        assert (found.recall, found.precision, found.false_positives) == (1.0, 1.0, 0.0)


def test_misses_and_inventions_are_counted() -> None:
    frames = [truth(n, thing(CAR)) for n in range(4)]
    elsewhere = (400, 200, 500, 260)
    predictions = [
        said(0, [CAR], [0.9], ["car"]),
        said(1, [elsewhere], [0.8], ["car"]),  # a miss and an invention
        said(2, [CAR], [0.2], ["car"]),  # below the threshold: not counted for recall
        said(3, [], [], []),
    ]
    found = score(frames, predictions, threshold=0.5, classes=CLASSES)["car"]
    assert (found.recall, found.precision, found.false_positives) == (0.25, 0.5, 0.25)
    # By falling score: right, wrong, right of 4 objects: precision 1 up to recall 1/4, 2/3 up to 1/2, then nothing.
    expected = (26 * 1 + 25 * 2 / 3) / 101
    assert found.ap50 == pytest.approx(expected, abs=1e-9)


def test_the_class_must_be_right() -> None:
    found = score([truth(0, thing(CAR))], [said(0, [CAR], [0.9], ["bus"])], classes=CLASSES)
    assert (found["car"].recall, found["bus"].objects, found["bus"].false_positives) == (0.0, 0, 1.0)


def test_what_does_not_count_is_neither_asked_for_nor_held_against_anybody() -> None:
    frames = [truth(0, thing(CAR), thing((300, 100, 320, 110), ignored="small"))]
    for boxes in ([CAR], [CAR, (300, 100, 320, 110)]):
        found = score(frames, [said(0, boxes, [0.9] * len(boxes), ["car"] * len(boxes))], classes=CLASSES)["car"]
        assert (found.objects, found.recall, found.false_positives) == (1, 1.0, 0.0)


def test_boxes_of_a_picture_that_was_scaled_on_its_way_are_scaled_back() -> None:
    half = Predicted("a", 0, (320, 180), np.array([CAR], np.float32) / 2, np.array([0.9], np.float32), ("car",))
    assert score([truth(0, thing(CAR))], [half], classes=CLASSES)["car"].ap == pytest.approx(1.0)


def test_frames_without_a_prediction_do_not_count() -> None:
    frames = [truth(n, thing(CAR)) for n in range(5)]
    assert score(frames, [said(2, [CAR], [0.9], ["car"])], classes=CLASSES)[ALL].frames == 1
    nothing = score(frames, [], classes=CLASSES)[ALL]
    assert nothing.frames == 0
    assert np.isnan(nothing.ap)


def test_scores_by_camera_class_and_minute() -> None:
    frames = [truth(n, thing(CAR), camera_id=camera) for camera in "ab" for n in (0, 30, 70)]
    predictions = [said(n, [CAR], [0.9], ["car"], camera_id=camera) for camera, n in (("a", 0), ("a", 70), ("b", 70))]
    predictions += [said(n, [], [], [], camera_id=camera) for camera, n in (("a", 30), ("b", 0), ("b", 30))]
    rows = {
        (row.camera_id, row.minute): row.score.recall
        for row in score_table(frames, predictions, classes=CLASSES)
        if row.class_name == "car"
    }
    assert rows[ALL, None] == 0.5
    assert (rows["a", 0], rows["a", 1], rows["b", 0], rows["b", 1]) == (0.5, 1.0, 0.0, 1.0)


def test_the_coco_export_has_the_frames_of_a_time_range_and_marks_what_does_not_count() -> None:
    frames = [truth(n, thing(CAR), thing(BUS, "bus", ignored="hidden")) for n in range(10)]
    dataset = coco_of(frames, start_ns=3 * 10**9, end_ns=6 * 10**9, classes=CLASSES)
    assert [image["file_name"] for image in dataset["images"]] == [f"a/00000{n}.jpg" for n in (3, 4, 5)]
    assert dataset["images"][0]["effects"] == {"fog": 0.5}
    first = [entry for entry in dataset["annotations"] if entry["image_id"] == 1]
    assert [(entry["bbox"], entry["area"], entry["category_id"], entry["iscrowd"]) for entry in first] == [
        ([100, 100, 100, 60], 6000, 1, 0),
        ([300, 100, 120, 120], 14400, 2, 1),
    ]


def line(**fields: object) -> str:
    def packed(values: object, kind: str) -> str:
        return base64.b64encode(np.array(values, kind).tobytes()).decode()

    event = {
        "camera_id": "a",
        "captured_at": "1970-01-01T00:00:02.500Z",
        "width": 640,
        "height": 360,
        "role": "MODEL_ROLE_CHAMPION",
        "model": {"name": "coco", "version": "3"},
        "detections": {"xyxy": packed([CAR], "<f4"), "score": packed([0.5], "<f4"), "class_id": packed([1], "<u2")},
    }
    return json.dumps({"event": event | fields})


def test_predictions_are_read_as_tail_prints_them() -> None:
    (found,) = read_predictions([line(), "\n"], ("bicycle", "automobile"), {"automobile": "car"})
    assert (found.camera_id, found.captured_at_ns, found.size_wh) == ("a", 2_500_000_000, (640, 360))
    assert (found.xyxy.tolist(), found.scores.tolist(), found.class_names) == ([list(CAR)], [0.5], ("car",))
    assert (found.model, found.role) == ("coco:3", "champion")


@pytest.mark.parametrize("bad", ["no json", "{}", '{"event": {"detections": {}}}'])
def test_a_line_that_is_no_prediction_is_told_with_its_number(bad: str) -> None:
    with pytest.raises(ScoreError, match="line 2"):
        list(read_predictions([line(), bad], ("a", "b")))


def test_a_class_beyond_those_given_is_told_with_the_cure() -> None:
    with pytest.raises(ScoreError, match="--classes"):
        list(read_predictions([line()], ("only one",)))
