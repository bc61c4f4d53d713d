"""Chooses the features of a foreign model that become its embedding, and pools them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray

from cvops_bundles.graph import GraphBuilder, reached_from, shape_words
from cvops_bundles.onnx_file import inner_name, outer_name
from cvops_bundles.signature import ModelInput
from cvops_bundles.spec import EmbeddingSpec, Task
from cvops_common.errors import BadBundle

MAX_DIM: Final = 256
"""Wider features are projected to this width."""

_COARSEST_STRIDE: Final = 32
"""Maps coarser than this are details of the head (or of an image pyramid), not features of the image."""

_WEIGHTED: Final = frozenset({"Conv", "Gemm", "MatMul"})
_FEATURE_OPS: Final = frozenset(
    {"Conv", "Relu", "LeakyRelu", "PRelu", "Clip", "Mul", "Add", "HardSwish", "Swish", "Mish", "Elu", "Gelu"}
    | {"BatchNormalization"}
)

Shapes = Mapping[str, tuple[int | None, ...]]


@dataclass(frozen=True, slots=True)
class Features:
    """A tensor of features: its name in the graph, rank (2: N, D; 3: N, tokens, D; 4: N, D, H, W) and width D."""

    tensor: str
    rank: int
    width: int

    def spec(self) -> EmbeddingSpec:
        """What the bundle says of it."""
        projected = self.width > MAX_DIM
        return EmbeddingSpec(min(self.width, MAX_DIM), outer_name(self.tensor), self.width if projected else None)

    def append(self, builder: GraphBuilder) -> None:
        """Adds the output `embedding`: the mean over the image, projected when wider than `MAX_DIM`."""
        pooled = builder.to_float(self.tensor)
        if self.rank > 2:
            axes = builder.ints(*((2, 3) if self.rank == 4 else (1,)))
            pooled = builder.op("ReduceMean", pooled, axes, keepdims=0)
        if self.width > MAX_DIM:
            pooled = builder.op("MatMul", pooled, builder.constant(projection(self.width, MAX_DIM)))
        builder.op("Identity", pooled, output="embedding")


def projection(width: int, dim: int) -> NDArray[np.float32]:
    """A fixed random matrix (width, dim) with orthonormal columns; it keeps distances up to a common factor.

    It depends on nothing but the two numbers, so that embeddings of two versions of a model can be compared.
    """
    q, r = np.linalg.qr(np.random.default_rng(width).standard_normal((width, dim)))
    return (q * np.sign(np.diag(r))).astype(np.float32)


def find_features(
    graph: onnx.GraphProto, shapes: Shapes, source: ModelInput, task: Task, wished: str | None
) -> Features | None:
    """The features to pool: the wished tensor, or else a late one.

    For a classifier, the input of the last layer with weights; for a detector, of the maps of stride 32 or just
    finer those with most channels, and of these the last one, which lies at the end of the neck.

    Returns:
        None when no tensor is wished and none is suited.

    Raises:
        BadBundle: the wished tensor does not exist, or is no features.
    """
    reached = reached_from(graph, [inner_name(source.name)])
    if wished is not None:
        return _wished(shapes, reached, inner_name(wished))
    if task is Task.CLASSIFY:
        return _before_last_layer(graph, shapes, reached)
    return _last_wide_map(graph, shapes, reached, source)


def _wished(shapes: Shapes, reached: set[str], tensor: str) -> Features:
    if tensor not in reached:
        raise BadBundle(f"embedding: the model has no tensor {outer_name(tensor)!r} that depends on the image")
    features = _as_features(shapes, tensor)
    if features is None:
        shape = shape_words(shapes[tensor]) if tensor in shapes else "no known shape"
        raise BadBundle(f"embedding: expected {outer_name(tensor)} as [N, D, H, W], [N, T, D] or [N, D], found {shape}")
    return features


def _as_features(shapes: Shapes, tensor: str) -> Features | None:
    shape = shapes.get(tensor, ())
    if len(shape) not in (2, 3, 4):
        return None
    width = shape[1] if len(shape) in (2, 4) else shape[2]
    return Features(tensor, len(shape), width) if width is not None else None


def _before_last_layer(graph: onnx.GraphProto, shapes: Shapes, reached: set[str]) -> Features | None:
    for node in reversed(graph.node):
        depends = [name for name in node.input if name in reached]
        # Two inputs that depend on the image are attention, not a layer with weights.
        if node.op_type in _WEIGHTED and len(depends) == 1:
            return _as_features(shapes, depends[0])
    return None


def _last_wide_map(graph: onnx.GraphProto, shapes: Shapes, reached: set[str], source: ModelInput) -> Features | None:
    maps: list[tuple[int, int, Features]] = []
    for node in graph.node:
        if node.op_type not in _FEATURE_OPS or node.output[0] not in reached:
            continue
        shape = shapes.get(node.output[0], ())
        if len(shape) != 4 or shape[2] is None or shape[3] is None or min(shape[2], shape[3]) < 2:
            continue
        features = _as_features(shapes, node.output[0])
        if features is not None and source.height // shape[2] <= _COARSEST_STRIDE:
            maps.append((shape[2] * shape[3], features.width, features))
    if not maps:
        return None
    coarsest = min(area for area, _, _ in maps)
    widest = max(width for area, width, _ in maps if area == coarsest)
    return [features for area, width, features in maps if (area, width) == (coarsest, widest)][-1]
