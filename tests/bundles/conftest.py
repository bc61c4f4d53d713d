"""Bundles of real models, imported once for the run, and small models written with the onnx package."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from cvops_bundles.bundle import Bundle, open_bundle
from cvops_bundles.importing import import_onnx
from cvops_bundles.labels import read_labels
from cvops_bundles.options import Channels, ImportOptions, ModelFormat, Preprocessing, usual_preprocessing, usual_resize
from cvops_bundles.write import BundleParts, write_bundle

DIGITS = tuple("0123456789")
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def _classifier_options(classes: tuple[str, ...], channels: Channels = Channels.RGB) -> ImportOptions:
    """The usual options of a classifier whose pixels stay 0..255."""
    return ImportOptions(
        name="classifier",
        format=ModelFormat.CLASSIFIER,
        classes=classes,
        preprocessing=Preprocessing(channels=channels),
        resize=usual_resize(ModelFormat.CLASSIFIER),
    )


@pytest.fixture(scope="session")
def yolox_options(shared_data: Path) -> ImportOptions:
    return ImportOptions(
        name="road",
        format=ModelFormat.YOLOX,
        classes=read_labels(shared_data / "models/coco_80.txt"),
        preprocessing=usual_preprocessing(ModelFormat.YOLOX),
        resize=usual_resize(ModelFormat.YOLOX),
    )


@pytest.fixture(scope="session")
def yolox(shared_data: Path, yolox_options: ImportOptions, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    parts = import_onnx(shared_data / "models/yolox_nano.onnx", yolox_options)
    written = write_bundle(parts, tmp_path_factory.mktemp("yolox"))
    return open_bundle(written.path, written.sha256)


@pytest.fixture(scope="session")
def mnist_parts(shared_data: Path) -> BundleParts:
    return import_onnx(shared_data / "models/mnist.onnx", _classifier_options(DIGITS))


@pytest.fixture(scope="session")
def mnist(mnist_parts: BundleParts, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    written = write_bundle(mnist_parts, tmp_path_factory.mktemp("mnist"))
    return open_bundle(written.path, written.sha256)


@pytest.fixture(scope="session")
def classifier_options() -> Callable[..., ImportOptions]:
    return _classifier_options


@pytest.fixture(scope="session")
def save_onnx() -> Callable[..., Path]:
    return _save


@pytest.fixture(scope="session")
def blob_detector() -> Callable[..., Path]:
    return _blob_detector


def _save(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: list[tuple[str, int, list]],
    outputs: list[tuple[str, int, list]],
    weights: dict[str, np.ndarray],
    opset: int = 18,
    domains: tuple[str, ...] = (),
) -> Path:
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info(*value) for value in inputs],
        [helper.make_tensor_value_info(*value) for value in outputs],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    return path


def _blob_detector(
    path: Path, *, units: str = "px", form: str = "xyxy", batch: int | str = 1, per_class: bool = False
) -> Path:
    """A detector of bright cells: each cell of 8x8 px is a candidate, its score the mean, its class the channel.

    Input 64x48 px NCHW RGB 0..1; outputs boxes [N, 48, 4] and scores [N, 48, 3], or scores [N, 48] and labels [N, 48].
    """
    y, x = np.mgrid[0:6, 0:8]
    corners = np.stack([x * 8, y * 8, x * 8 + 8, y * 8 + 8], axis=-1).reshape(1, 48, 4).astype(np.float32)
    centres, sizes = (corners[..., :2] + corners[..., 2:]) / 2, corners[..., 2:] - corners[..., :2]
    boxes = {
        "xyxy": corners,
        "xywh": np.concatenate([corners[..., :2], sizes], axis=-1),
        "cxcywh": np.concatenate([centres, sizes], axis=-1),
    }[form]
    if units == "normalised":
        boxes = boxes / np.array([64, 48, 64, 48], np.float32)
    nodes = [
        helper.make_node("AveragePool", ["pixels"], ["cells"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Relu", ["cells"], ["features"]),
        helper.make_node("Reshape", ["features", "flat"], ["rows"]),
        helper.make_node("Transpose", ["rows"], ["class_scores"], perm=[0, 2, 1]),
        # Boxes for each image of the batch: the grid plus nothing.
        helper.make_node("ReduceMax", ["class_scores", "last"], ["best"], keepdims=1),
        helper.make_node("Mul", ["best", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "grid"], ["out_boxes"]),
    ]
    outputs = [("out_boxes", FLOAT, [batch, 48, 4])]
    if per_class:
        outputs.append(("class_scores", FLOAT, [batch, 48, 3]))
    else:
        nodes.append(helper.make_node("Squeeze", ["best", "last"], ["confidence"]))
        nodes.append(helper.make_node("ArgMax", ["class_scores"], ["out_labels"], axis=2, keepdims=0))
        outputs += [("out_labels", INT64, [batch, 48]), ("confidence", FLOAT, [batch, 48])]
    weights = {
        "flat": np.array([1, 3, 48], np.int64),
        "last": np.array([2], np.int64),
        "zero": np.zeros(1, np.float32),
        "grid": boxes.astype(np.float32),
    }
    return _save(path, nodes, [("pixels", FLOAT, [batch, 3, 48, 64])], outputs, weights)
