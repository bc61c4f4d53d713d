"""YOLOX: the imported graph against a plain float implementation, on real images."""

import json
from pathlib import Path

import av
import cv2
import numpy as np
import onnx
import onnxruntime as ort
import pytest

from cvops_bundles.bundle import Bundle
from cvops_bundles.detections import detections_of
from cvops_bundles.importing import import_onnx
from cvops_bundles.options import ImportOptions
from cvops_bundles.session import open_session, run_of
from cvops_common.errors import BadBundle
from cvops_vision.letterbox import fill

SCORE, IOU = 0.25, 0.45


def real_images(shared_data: Path) -> list[np.ndarray]:
    """RGB: every image of coco_cc_mini and some frames of each clip."""
    paths = sorted((shared_data / "labelled/coco_cc_mini/images").iterdir())
    images = [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in paths]
    for name in ("traffic_road_a", "person_room_a", "store_aisle_short"):
        with av.open(str(shared_data / f"videos/{name}.mp4")) as video:
            for i, frame in enumerate(video.decode(video=0)):
                if i in (10, 40, 70):
                    images.append(frame.to_ndarray(format="rgb24"))
                if i >= 70:
                    break
    return images


@pytest.fixture(scope="module")
def images(shared_data: Path) -> list[np.ndarray]:
    return real_images(shared_data)


@pytest.fixture(scope="module")
def plain_session(shared_data: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(
        str(shared_data / "models/yolox_nano.onnx"), options, providers=["CPUExecutionProvider"]
    )


def plain_detections(session: ort.InferenceSession, image_rgb: np.ndarray) -> list[tuple[int, float, np.ndarray]]:
    """Preprocessing, decoding and suppression as the makers of YOLOX describe them, one step after the other."""
    height, width = image_rgb.shape[:2]
    ratio = min(416 / height, 416 / width)
    padded = np.full((416, 416, 3), 114, np.uint8)
    bgr = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR)
    inner = cv2.resize(bgr, (int(width * ratio), int(height * ratio)), interpolation=cv2.INTER_LINEAR)
    padded[: inner.shape[0], : inner.shape[1]] = inner
    raw = session.run(None, {"images": padded.astype(np.float32).transpose(2, 0, 1)[None]})[0][0]
    found, row = [], 0
    for stride in (8, 16, 32):
        for cell_y in range(416 // stride):
            for cell_x in range(416 // stride):
                values = raw[row]
                row += 1
                class_id = int(values[5:].argmax())
                score = float(values[4] * values[5 + class_id])
                if score < SCORE:
                    continue
                centre = np.array([values[0] + cell_x, values[1] + cell_y]) * stride
                half = np.exp(values[2:4]) * stride / 2
                box = np.concatenate([centre - half, centre + half]) / ratio
                found.append((class_id, score, np.clip(box, 0, (width, height, width, height))))
    assert row == len(raw)
    kept: list[tuple[int, float, np.ndarray]] = []
    for one in sorted(found, key=lambda item: -item[1]):
        if all(one[0] != other[0] or overlap(one[2], other[2]) <= IOU for other in kept):
            kept.append(one)
    return kept


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    sides = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0)
    areas = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])
    return float(np.prod(sides) / (areas - np.prod(sides)))


def test_detections_equal_those_of_a_plain_implementation(
    yolox: Bundle, images: list[np.ndarray], plain_session: ort.InferenceSession
):
    """Suppression is on clipped boxes in the plain one, on unclipped ones here: both agree on real images."""
    slots = np.empty((len(images), 416, 416, 3), np.uint8)
    placements = [fill(image, slot, yolox.spec.input.resize) for image, slot in zip(images, slots, strict=True)]
    outputs = run_of(open_session(yolox.model_bytes()))(slots)
    total = 0
    for i, image in enumerate(images):
        candidates = (outputs[name][i] for name in ("boxes", "scores", "class_ids"))
        found = detections_of(yolox.spec.detection, *candidates, placements[i])
        expected = plain_detections(plain_session, image)
        assert found.class_ids.tolist() == [class_id for class_id, _, _ in expected]
        if expected:
            assert np.abs(found.scores - [score for _, score, _ in expected]).max() < 1e-3
            assert np.abs(found.boxes_xyxy - np.stack([box for _, _, box in expected])).max() < 0.5
        total += len(expected)
    assert len(images) == 22
    assert total > 80


def test_the_average_precision_on_real_labels_is_that_of_the_reference(yolox: Bundle, shared_data: Path):
    """AP50 of 0.351 was measured with pycocotools on the same images; here by hand, with a plain 101-point curve."""
    folder = shared_data / "labelled/coco_cc_mini"
    truth = json.loads((folder / "instances.json").read_text())
    run = run_of(open_session(yolox.model_bytes()))
    names = {category["id"]: i for i, category in enumerate(truth["categories"])}
    found = []
    for item in truth["images"]:
        picture = cv2.cvtColor(cv2.imread(str(folder / "images" / item["file_name"])), cv2.COLOR_BGR2RGB)
        slot = np.empty((1, 416, 416, 3), np.uint8)
        placement = fill(picture, slot[0], yolox.spec.input.resize)
        outputs = run(slot)
        loose = type(yolox.spec.detection)(0.05, 0.45, True, 300)
        result = detections_of(loose, *(outputs[name][0] for name in ("boxes", "scores", "class_ids")), placement)
        rows = zip(result.scores, result.class_ids, result.boxes_xyxy, strict=True)
        found += [(float(score), int(class_id), item["id"], box) for score, class_id, box in rows]
    precisions = [
        average_precision(truth["annotations"], names, class_id, found)
        for class_id in sorted({names[a["category_id"]] for a in truth["annotations"] if not a["iscrowd"]})
    ]
    assert np.mean(precisions) == pytest.approx(0.351, abs=0.03)


def average_precision(annotations: list[dict], names: dict[int, int], class_id: int, found: list[tuple]) -> float:
    boxes: dict[int, list[np.ndarray]] = {}
    for a in annotations:
        if names[a["category_id"]] == class_id and not a["iscrowd"]:
            x, y, w, h = a["bbox"]
            boxes.setdefault(a["image_id"], []).append(np.array([x, y, x + w, y + h]))
    count = sum(map(len, boxes.values()))
    hits = []
    for _, _, image_id, box in sorted((f for f in found if f[1] == class_id), key=lambda f: -f[0]):
        rivals = boxes.get(image_id, [])
        best = max(range(len(rivals)), key=lambda j: overlap(box, rivals[j]), default=None)
        hits.append(best is not None and overlap(box, rivals[best]) >= 0.5)
        if hits[-1]:
            del rivals[best]
    true = np.cumsum(hits)
    precision = np.maximum.accumulate((true / np.arange(1, len(hits) + 1))[::-1])[::-1] if hits else np.empty(0)
    return float(
        np.mean([precision[true >= r * count][0] if (true >= r * count).any() else 0 for r in np.linspace(0, 1, 101)])
    )


def test_the_bundle_says_what_was_understood(yolox: Bundle):
    spec = yolox.spec
    assert (spec.task, spec.input.network_wh, len(spec.classes), spec.max_batch) == ("detect", (416, 416), 80, None)
    assert spec.input.resize.rule == "letterbox_top_left"
    assert spec.input.resize.interpolation == "linear"
    assert spec.embedding is not None
    assert spec.embedding.dim == 256
    assert spec.embedding.tensor == "1024"  # the end of the neck, stride 32


def test_embeddings_of_frames_of_a_scene_are_closer_than_those_of_other_scenes(yolox: Bundle, images: list[np.ndarray]):
    slots = np.empty((9, 416, 416, 3), np.uint8)
    for image, slot in zip(images[-9:], slots, strict=True):
        fill(image, slot, yolox.spec.input.resize)
    vectors = run_of(open_session(yolox.model_bytes()))(slots)["embedding"]
    distance = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    scene = np.repeat(np.arange(3), 3)
    same = scene[:, None] == scene[None]
    assert distance[same].max() < distance[~same].min()


def test_labels_that_are_not_as_many_as_the_classes_are_refused(shared_data: Path, yolox_options: ImportOptions):
    fewer = type(yolox_options)(name="road", format=yolox_options.format, classes=yolox_options.classes[:-1])
    with pytest.raises(BadBundle, match="85 columns, that is 5 and 80 classes; found 79 labels"):
        import_onnx(shared_data / "models/yolox_nano.onnx", fewer)


def test_an_export_with_decoded_rows_is_not_decoded_twice(
    shared_data: Path, tmp_path: Path, yolox_options: ImportOptions
):
    model = onnx.load(shared_data / "models/yolox_nano.onnx")
    model.graph.node[-1].output[0] = "raw"
    factor = np.full(85, 1, np.float32)
    factor[:2] = 200  # offsets of a cell become px of an image
    model.graph.initializer.append(onnx.numpy_helper.from_array(factor, "factor"))
    model.graph.node.append(onnx.helper.make_node("Mul", ["raw", "factor"], ["output"]))
    path = tmp_path / "decoded.onnx"
    onnx.save(model, path)
    with pytest.raises(BadBundle, match="export with decode_in_inference=False"):
        import_onnx(path, yolox_options)


def test_a_classifier_is_not_taken_for_yolox(shared_data: Path, yolox_options: ImportOptions):
    with pytest.raises(BadBundle, match=r"expected one output \[N, anchors, 5 \+ classes\], found softmaxout_1"):
        import_onnx(shared_data / "models/squeezenet_fp16.onnx", yolox_options)
