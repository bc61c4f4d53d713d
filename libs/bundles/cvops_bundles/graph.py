"""Adds nodes and constants to an ONNX graph, and answers questions about it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper


@dataclass(slots=True)
class GraphBuilder:
    """Collects new nodes and constants for one place of a graph; names are given by counting.

    Attributes:
        stem: begins all names that this builder gives; two builders of one graph must differ in it.
    """

    stem: str
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def op(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Adds a node with one output and returns the name of the output."""
        name = output or f"{self.stem}/{len(self.nodes)}_{kind}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def two(self, kind: str, *inputs: str, **attributes: Any) -> tuple[str, str]:
        """Adds a node with two outputs and returns their names."""
        name = f"{self.stem}/{len(self.nodes)}_{kind}"
        outputs = (f"{name}:0", f"{name}:1")
        self.nodes.append(helper.make_node(kind, list(inputs), list(outputs), name=name, **attributes))
        return outputs

    def constant(self, value: NDArray[Any]) -> str:
        """Adds a constant and returns its name."""
        name = f"{self.stem}/constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def ints(self, *values: int) -> str:
        """Adds a constant int64 (n,) and returns its name."""
        return self.constant(np.array(values, np.int64))

    def floats(self, value: float | Sequence[float], shape: tuple[int, ...] = ()) -> str:
        """Adds a constant float32 of that shape and returns its name."""
        return self.constant(np.array(value, np.float32).reshape(shape))

    def cast(self, tensor: str, kind: int) -> str:
        """Casts to an ONNX element type."""
        return self.op("Cast", tensor, to=kind)

    def to_float(self, tensor: str) -> str:
        """Casts to float32."""
        return self.cast(tensor, TensorProto.FLOAT)

    def slice(self, tensor: str, axis: int, start: int, end: int) -> str:
        """Takes `start` to `end` (not included) of one axis."""
        return self.op("Slice", tensor, self.ints(start), self.ints(end), self.ints(axis))

    def put_before(self, graph: onnx.GraphProto) -> None:
        """Puts all that was collected in front of the nodes of `graph`."""
        existing = list(graph.node)
        del graph.node[:]
        graph.node.extend([*self.nodes, *existing])
        graph.initializer.extend(self.constants)

    def put_after(self, graph: onnx.GraphProto) -> None:
        """Puts all that was collected behind the nodes of `graph`."""
        graph.node.extend(self.nodes)
        graph.initializer.extend(self.constants)


def constants_of(graph: onnx.GraphProto) -> dict[str, onnx.TensorProto]:
    """Initializers and the values of Constant nodes, by name."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
    return constants


def reached_from(graph: onnx.GraphProto, names: Iterable[str]) -> set[str]:
    """The tensors that depend on the given ones, themselves included; nodes are in topological order."""
    reached = set(names)
    for node in graph.node:
        if reached.intersection(node.input):
            reached.update(node.output)
    return reached


def shape_of(value: onnx.ValueInfoProto) -> tuple[int | None, ...] | None:
    """The dimensions of a value, None for one that is not fixed; None altogether when the rank is not known."""
    kind = value.type.tensor_type
    if not kind.HasField("shape"):
        return None
    return tuple(dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None for dim in kind.shape.dim)


def shapes_of(model: onnx.ModelProto) -> dict[str, tuple[int | None, ...]]:
    """The shapes of all tensors as far as ONNX can infer them, by name."""
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {value.name: shape_of(value) for value in (*inferred.value_info, *inferred.input, *inferred.output)}
    return {name: shape for name, shape in shapes.items() if shape is not None}


def shape_words(shape: Sequence[int | None]) -> str:
    """A shape for people: [?, 3, 416, 416]."""
    return "[" + ", ".join("?" if dim is None else str(dim) for dim in shape) + "]"
