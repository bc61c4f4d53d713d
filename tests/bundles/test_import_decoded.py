"""Detectors that decode their boxes themselves, in all the ways the four numbers can be meant."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from cvops_bundles.importing import import_onnx
from cvops_bundles.options import Activation, BoxFormat, BoxUnits, ImportOptions, ModelFormat, Preprocessing
from cvops_bundles.session import open_session, run_of
from cvops_common.errors import BadBundle

FLOAT = TensorProto.FLOAT
CLASSES = ("red", "green", "blue")


def options(**given: object) -> ImportOptions:
    return ImportOptions(
        name="blobs", format=ModelFormat.DECODED, classes=CLASSES, preprocessing=Preprocessing(scale=1 / 255), **given
    )


def picture() -> np.ndarray:
    """Two blobs: blue in the cell at column 2, row 1; weaker green at column 5, row 4."""
    image = np.zeros((48, 64, 3), np.uint8)
    image[8:16, 16:24, 2] = 255
    image[32:40, 40:48, 1] = 128
    return image


@pytest.mark.parametrize("form", ["xyxy", "xywh", "cxcywh"])
@pytest.mark.parametrize("units", ["px", "normalised"])
@pytest.mark.parametrize("per_class", [True, False])
def test_boxes_come_out_as_corners_in_px_with_scores_and_classes(
    tmp_path: Path, blob_detector: Callable[..., Path], form: str, units: str, per_class: bool
):
    path = blob_detector(tmp_path / "blobs.onnx", form=form, units=units, per_class=per_class)
    parts = import_onnx(path, options(box_format=BoxFormat(form), box_units=BoxUnits(units)))
    assert (parts.spec.max_batch, parts.spec.detection.max_candidates) == (None, 48)
    batch = np.stack([np.zeros_like(picture()), picture(), picture()[:, ::-1]])
    outputs = run_of(open_session(parts.model))(batch)
    assert np.abs(outputs["boxes"][1, :2] - [[16, 8, 24, 16], [40, 32, 48, 40]]).max() < 1e-4
    assert np.abs(outputs["boxes"][2, :2] - [[40, 8, 48, 16], [16, 32, 24, 40]]).max() < 1e-4
    assert outputs["class_ids"][1, :2].tolist() == [2, 1]
    assert outputs["scores"][1, :3] == pytest.approx([1, 128 / 255, 0], abs=1e-6)
    assert outputs["scores"][0].max() == 0


def test_a_graph_with_suppression_inside_is_filled_up_to_a_fixed_number(tmp_path: Path, save_onnx: Callable[..., Path]):
    """Rows of six numbers, as many as there are bright cells: no batch dimension, no fixed count."""
    y, x = np.mgrid[0:6, 0:8]
    grid = np.stack([x * 8, y * 8, x * 8 + 8, y * 8 + 8], axis=-1).reshape(48, 4).astype(np.float32)
    nodes = [
        helper.make_node("AveragePool", ["pixels"], ["cells"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Reshape", ["cells", "flat"], ["rows"]),
        helper.make_node("ReduceMax", ["rows", "zero"], ["best"], keepdims=0),
        helper.make_node("ArgMax", ["rows"], ["label"], axis=0, keepdims=0),
        helper.make_node("Greater", ["best", "limit"], ["bright"]),
        helper.make_node("Compress", ["grid", "bright"], ["boxes"], axis=0),
        helper.make_node("Compress", ["best", "bright"], ["scores"], axis=0),
        helper.make_node("Compress", ["label", "bright"], ["labels"], axis=0),
    ]
    weights = {
        "flat": np.array([3, 48], np.int64),
        "zero": np.array([0], np.int64),
        "limit": np.array(0.1, np.float32),
        "grid": grid,
    }
    outputs = [("boxes", FLOAT, ["k", 4]), ("scores", FLOAT, ["k"]), ("labels", TensorProto.INT64, ["k"])]
    path = save_onnx(tmp_path / "nms.onnx", nodes, [("pixels", FLOAT, [1, 3, 48, 64])], outputs, weights)
    parts = import_onnx(path, options(max_candidates=20))
    assert (parts.spec.max_batch, parts.spec.detection.max_candidates) == (1, 20)
    found = run_of(open_session(parts.model))(picture()[None])
    assert found["boxes"].shape == (1, 20, 4)
    assert found["class_ids"][0, :3].tolist() == [2, 1, 0]
    assert found["scores"][0, :3] == pytest.approx([1, 128 / 255, 0], abs=1e-6)
    nothing = run_of(open_session(parts.model))(np.zeros((1, 48, 64, 3), np.uint8))
    assert nothing["scores"].max() == 0


def test_rows_of_six_numbers_are_box_score_and_class(tmp_path: Path, save_onnx: Callable[..., Path]):
    rows = np.array([[[1, 2, 30, 40, 0.5, 1], [5, 6, 20, 20, 0.9, 2]]], np.float32)
    nodes = [
        helper.make_node("ReduceMean", ["pixels", "axes"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Reshape", ["nothing", "shape"], ["column"]),
        helper.make_node("Add", ["column", "rows"], ["detections"]),
    ]
    weights = {
        "axes": np.array([1, 2, 3], np.int64),
        "zero": np.zeros(1, np.float32),
        "shape": np.array([1, 1, 1], np.int64),
        "rows": rows,
    }
    path = save_onnx(
        tmp_path / "six.onnx", nodes, [("pixels", FLOAT, [1, 3, 48, 64])], [("detections", FLOAT, [1, 2, 6])], weights
    )
    parts = import_onnx(path, options())
    found = run_of(open_session(parts.model))(np.zeros((3, 48, 64, 3), np.uint8))
    assert found["boxes"][2].tolist() == [[5, 6, 20, 20], [1, 2, 30, 40]]
    assert found["class_ids"][2].tolist() == [2, 1]
    assert found["scores"][2] == pytest.approx([0.9, 0.5])
    assert parts.spec.embedding is None


def test_units_that_contradict_the_values_are_refused(tmp_path: Path, blob_detector: Callable[..., Path]):
    in_px = blob_detector(tmp_path / "px.onnx", units="px")
    normalised = blob_detector(tmp_path / "normalised.onnx", units="normalised")
    with pytest.raises(BadBundle, match="use --box-units px"):
        import_onnx(in_px, options(box_units=BoxUnits.NORMALISED))
    with pytest.raises(BadBundle, match="use --box-units normalised"):
        import_onnx(normalised, options())


def test_logits_need_a_sigmoid(tmp_path: Path, blob_detector: Callable[..., Path]):
    path = blob_detector(tmp_path / "blobs.onnx", per_class=True)
    raw = ImportOptions(name="blobs", format=ModelFormat.DECODED, classes=CLASSES)
    with pytest.raises(BadBundle, match=r"scores must lie in 0..1, found \d+..2\d\d; .*use --activation sigmoid"):
        import_onnx(path, raw)
    parts = import_onnx(path, options(activation=Activation.SIGMOID))
    found = run_of(open_session(parts.model))(picture()[None])["scores"][0]
    assert found[:3] == pytest.approx([1 / (1 + np.exp(-1)), 1 / (1 + np.exp(-128 / 255)), 0.5], abs=1e-6)


def test_outputs_that_are_no_boxes_are_refused_with_what_was_found(shared_data: Path):
    with pytest.raises(BadBundle, match=r"expected boxes \[N, K, 4\].*found Plus214_Output_0 float32 \[1, 10\]"):
        import_onnx(shared_data / "models/mnist.onnx", options())
