"""Frees a graph of a hard-coded number of images."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from cvops_bundles.graph import constants_of, reached_from


def free_batch(model: onnx.ModelProto, input_name: str, batch: int) -> None:
    """Rewrites, in place, the constants that fix the first dimension of what depends on the images.

    Exporters write the batch of the example into the target shapes of Reshape, Expand and Resize. Those are replaced
    by "as the input"; whether that was all shows only when the graph runs on several images.
    """
    graph = model.graph
    constants = constants_of(graph)
    reached = reached_from(graph, [input_name])
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        position = {"Reshape": 1, "Expand": 1, "Resize": 3}.get(node.op_type)
        if position is not None and len(node.input) > position and node.input[position] in constants:
            target = numpy_helper.to_array(constants[node.input[position]])
            depends = node.op_type == "Expand" or node.input[0] in reached
            if depends and target.ndim == 1 and target.size > 1 and int(target[0]) == batch:
                if node.op_type == "Reshape":
                    _as_input(graph, node, target)
                else:
                    nodes += _batch_of_images(graph, node, position, input_name, target)
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)


def _as_input(graph: onnx.GraphProto, node: onnx.NodeProto, target: np.ndarray) -> None:
    if any(attribute.name == "allowzero" and attribute.i for attribute in node.attribute):
        return
    shape = np.concatenate([[0], target[1:]]).astype(np.int64)
    graph.initializer.append(numpy_helper.from_array(shape, f"batch/{node.output[0]}"))
    node.input[1] = f"batch/{node.output[0]}"


def _batch_of_images(
    graph: onnx.GraphProto, node: onnx.NodeProto, position: int, input_name: str, target: np.ndarray
) -> list[onnx.NodeProto]:
    stem = f"batch/{node.output[0]}"
    graph.initializer.append(numpy_helper.from_array(target[1:].astype(np.int64), f"{stem}/rest"))
    node.input[position] = f"{stem}/shape"
    return [
        helper.make_node("Shape", [input_name], [f"{stem}/n"], start=0, end=1),
        helper.make_node("Concat", [f"{stem}/n", f"{stem}/rest"], [f"{stem}/shape"], axis=0),
    ]
