"""The scene, the detector made for it, and the comparison with the truth."""

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cvops_bundles.bundle import Bundle, open_bundle
from cvops_bundles.detections import Detections, detections_of
from cvops_bundles.importing import import_onnx
from cvops_bundles.options import ImportOptions, ModelFormat, Preprocessing
from cvops_bundles.session import open_session, run_of
from cvops_bundles.verify import verify_bundle
from cvops_bundles.write import write_bundle
from cvops_local.demo.agreement import Agreement, agree, iou
from cvops_local.demo.detector import write_detector
from cvops_local.demo.picture import write_picture
from cvops_local.demo.scene import CLASSES, SCENE_WH, Scene, Truth
from cvops_vision.letterbox import fill


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("bundle")
    write_detector(folder / "squares.onnx")
    options = ImportOptions(
        name="squares", format=ModelFormat.DECODED, classes=CLASSES,
        preprocessing=Preprocessing(scale=1 / 255), score_threshold=0.5,
    )  # fmt: skip
    return open_bundle(write_bundle(import_onnx(folder / "squares.onnx", options), folder).path)


def detect(bundle: Bundle, images: list[NDArray[np.uint8]]) -> list[Detections]:
    spec = bundle.spec
    assert spec.detection is not None
    width, height = spec.input.network_wh
    batch = np.zeros((len(images), height, width, 3), np.uint8)
    placements = [fill(image, slot, spec.input.resize) for image, slot in zip(images, batch, strict=True)]
    outputs = run_of(open_session(bundle.model_bytes()))(batch)
    columns = (outputs["boxes"], outputs["scores"], outputs["class_ids"])
    return [
        detections_of(spec.detection, boxes, scores, class_ids, placement)
        for boxes, scores, class_ids, placement in zip(*columns, placements, strict=True)
    ]


def as_jpeg(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    packed = io.BytesIO()
    Image.fromarray(image).save(packed, format="JPEG", quality=85)
    return np.asarray(Image.open(packed).convert("RGB"))


def test_the_detector_finds_nearly_all_and_invents_nearly_nothing_after_jpeg(bundle: Bundle) -> None:
    total = Agreement()
    for seed in range(6):
        scene = Scene(seed)
        pairs = [scene.frame(index) for index in range(0, 80, 8)]
        for (_, truth), seen in zip(pairs, detect(bundle, [as_jpeg(image) for image, _ in pairs]), strict=True):
            total += agree(truth, seen.boxes_xyxy, seen.class_ids)
    assert total.found + total.missed == 240
    assert total.recall >= 0.98, total
    assert total.precision >= 0.98, total


def test_the_detector_sees_nothing_on_an_empty_road(bundle: Bundle) -> None:
    road = np.random.default_rng(0).integers(90, 150, (SCENE_WH[1], SCENE_WH[0], 1), np.uint8)
    (seen,) = detect(bundle, [np.repeat(road, 3, axis=2)])
    assert len(seen.scores) == 0


def test_its_bundle_takes_any_batch_and_proves_its_parity(bundle: Bundle) -> None:
    assert bundle.spec.max_batch is None
    assert verify_bundle(bundle).passed


def test_the_same_seed_gives_the_same_scene_and_things_move() -> None:
    image, truth = Scene(3).frame(7)
    again, _ = Scene(3).frame(7)
    _, later = Scene(3).frame(8)
    assert np.array_equal(image, again)
    assert (np.abs(truth.boxes_xyxy - later.boxes_xyxy)[:, 0] > 0).all()
    assert not np.array_equal(image, Scene(4).frame(7)[0])


def test_everything_stays_inside_the_image() -> None:
    boxes = np.concatenate([Scene(1).frame(index)[1].boxes_xyxy for index in range(0, 600, 3)])
    assert boxes.min() >= 0
    assert boxes[:, 2].max() <= SCENE_WH[0]
    assert boxes[:, 3].max() <= SCENE_WH[1]


def test_agreement_counts_each_detection_once_and_wants_the_right_class() -> None:
    truth = Truth(np.array([[0, 0, 10, 10], [50, 50, 60, 60]], np.float32), np.array([0, 1], np.int32))
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [50, 50, 60, 60]], np.float32)
    counts = agree(truth, boxes, np.array([0, 0, 2]))
    assert counts == Agreement(found=1, missed=1, invented=2)
    assert (counts.recall, round(counts.precision, 3)) == (0.5, 0.333)
    assert Agreement().recall == Agreement().precision == 1.0


def test_iou_of_known_boxes() -> None:
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30]], np.float32)
    assert iou(boxes[0], boxes) == pytest.approx([1.0, 1 / 3, 0.0])


def test_the_picture_shows_its_boxes(tmp_path: Path) -> None:
    image, truth = Scene(0).frame(0)
    write_picture(tmp_path / "seen.png", image, truth.boxes_xyxy, np.ones(4, np.float32), truth.class_ids, zoom=2)
    picture = np.asarray(Image.open(tmp_path / "seen.png"))
    assert picture.shape == (480, 640, 3)
    left, top = (2 * truth.boxes_xyxy[0, :2]).astype(int)
    assert tuple(picture[top + 5, left]) == (255, 255, 0)
