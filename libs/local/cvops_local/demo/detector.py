"""A detector for the scene, written as an ONNX graph without any training.

Colour by a 1x1 convolution, then one matched filter a size: the mean inside a square less the mean of the ring around
it. Where such a response is the peak of its neighbourhood there is an object of that colour and size.
"""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from cvops_local.demo.scene import CLASSES, SCENE_WH, SIZES_PX

CANDIDATES = 50
_STEP_PX = 2
_RING_PX = 4
_GRID_WH = (SCENE_WH[0] // _STEP_PX + 1, SCENE_WH[1] // _STEP_PX + 1)


def write_detector(path: Path) -> None:
    """Writes the detector: in float32 [N, 3, 240, 320] RGB 0..1; out boxes [N, 50, 4] px, scores and labels [N, 50]."""
    weights, nodes = _colours(), [helper.make_node("Conv", ["image", "colours"], ["coloured"], kernel_shape=[1, 1])]
    nodes += [
        helper.make_node("Relu", ["coloured"], ["bright"]),
        helper.make_node("AveragePool", ["bright"], ["half"], kernel_shape=[_STEP_PX] * 2, strides=[_STEP_PX] * 2),
    ]
    for size in SIZES_PX:
        template = _template(size)
        weights.append(numpy_helper.from_array(template, f"template_{size}"))
        pads = [template.shape[-1] // 2] * 4
        matched = ["half", f"template_{size}"]
        nodes.append(helper.make_node("Conv", matched, [f"response_{size}"], group=len(CLASSES), pads=pads))
        nodes.append(helper.make_node("Unsqueeze", [f"response_{size}", "size_axis"], [f"unsqueezed_{size}"]))
    nodes += _peaks()
    weights += _constants()
    graph = helper.make_graph(nodes, "squares", [_input()], _outputs(), weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def _colours() -> list[onnx.TensorProto]:
    """One channel a class: how much its colour exceeds the mean of the others; grey gives 0."""
    kernel = np.full((3, 3), -0.7, np.float32) + np.eye(3, dtype=np.float32) * 2.1
    return [numpy_helper.from_array(kernel.reshape(3, 3, 1, 1), "colours")]


def _template(size_px: int) -> NDArray[np.float32]:
    """float32 (classes, 1, k, k) at half resolution: +mean of the square, -mean of the ring around it."""
    inner, ring = size_px // _STEP_PX, _RING_PX // _STEP_PX
    side = inner + 2 * ring
    kernel = np.full((side, side), -1.0 / (side**2 - inner**2), np.float32)
    kernel[ring:-ring, ring:-ring] = 1.0 / inner**2
    return np.repeat(kernel[None, None], len(CLASSES), axis=0)


def _peaks() -> list[onnx.NodeProto]:
    """From the responses [N, 3, h, w] of all sizes to the best candidates with their boxes and classes."""
    node = helper.make_node
    return [
        node("Concat", [f"unsqueezed_{size}" for size in SIZES_PX], ["by_size"], axis=2),
        node("Reshape", ["by_size", "as_maps"], ["maps"]),
        node("MaxPool", ["maps"], ["around"], kernel_shape=[5, 5], pads=[2] * 4, strides=[1, 1]),
        node("Equal", ["maps", "around"], ["is_peak"]),
        node("Where", ["is_peak", "maps", "zero"], ["peaks"]),
        node("Clip", ["peaks", "zero", "one"], ["clipped"]),
        node("Reshape", ["clipped", "as_row"], ["row"]),
        node("TopK", ["row", "candidates"], ["scores", "index"], axis=1),
        node("Div", ["index", "anchors_count"], ["labels"]),
        node("Mod", ["index", "anchors_count"], ["anchor"]),
        node("Gather", ["anchors", "anchor"], ["boxes"], axis=0),
    ]


def _anchors() -> NDArray[np.float32]:
    """float32 (sizes * h * w, 4) xyxy px: the square of each size around each grid point, in the order of the maps."""
    width, height = _GRID_WH
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) * _STEP_PX
    centres = np.stack([x, y, x, y], axis=-1).reshape(-1, 4)
    halves = [np.array([-size, -size, size, size], np.float32) / 2 for size in SIZES_PX]
    return np.concatenate([centres + half for half in halves])


def _constants() -> list[onnx.TensorProto]:
    anchors = _anchors()
    width, height = _GRID_WH
    values: dict[str, NDArray[np.generic]] = {
        "anchors": anchors,
        "anchors_count": np.array(len(anchors), np.int64),
        "as_maps": np.array([-1, len(CLASSES) * len(SIZES_PX), height, width], np.int64),
        "as_row": np.array([-1, len(CLASSES) * len(anchors)], np.int64),
        "size_axis": np.array([2], np.int64),
        "candidates": np.array([CANDIDATES], np.int64),
        "zero": np.array(0, np.float32),
        "one": np.array(1, np.float32),
    }
    return [numpy_helper.from_array(value, name) for name, value in values.items()]


def _input() -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, SCENE_WH[1], SCENE_WH[0]])


def _outputs() -> list[onnx.ValueInfoProto]:
    return [
        helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["N", CANDIDATES, 4]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", CANDIDATES]),
        helper.make_tensor_value_info("labels", TensorProto.INT64, ["N", CANDIDATES]),
    ]
