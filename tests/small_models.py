"""Small models, written with the onnx package: exact, and fast on any machine."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def save_onnx(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: list[tuple[str, int, list]],
    outputs: list[tuple[str, int, list]],
    weights: dict[str, np.ndarray],
    opset: int = 18,
    domains: tuple[str, ...] = (),
) -> Path:
    """Writes a graph; inputs and outputs are (name, element type, shape)."""
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


def blob_detector(
    path: Path,
    *,
    units: str = "px",
    form: str = "xyxy",
    batch: int | str = 1,
    per_class: bool = False,
    gain: float = 1.0,
) -> Path:
    """A detector of bright cells: each cell of 8x8 px is a candidate, its score `gain` x mean, its class the channel.

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
        helper.make_node("Mul", ["cells", "gain"], ["gained"]),
        helper.make_node("Relu", ["gained"], ["features"]),
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
        "gain": np.array([gain], np.float32),
        "grid": boxes.astype(np.float32),
    }
    return save_onnx(path, nodes, [("pixels", FLOAT, [batch, 3, 48, 64])], outputs, weights)
