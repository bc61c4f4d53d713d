"""The common end of every detector's graph: the K best candidates."""

from dataclasses import dataclass

from onnx import TensorProto

from cvops_bundles.graph import GraphBuilder


@dataclass(frozen=True, slots=True)
class Candidates:
    """Names of the tensors that hold the A candidates of each image.

    Attributes:
        boxes: float32 (N, A, 4), xyxy px of the network input.
        scores: float32 (N, A).
        class_ids: (N, A), any type of number.
    """

    boxes: str
    scores: str
    class_ids: str


def append_best(builder: GraphBuilder, candidates: Candidates, count: int, padded: bool) -> None:
    """Adds the outputs `boxes`, `scores` and `class_ids` with the `count` best, by falling score.

    Args:
        builder: for the end of the graph.
        candidates: of which the best are taken.
        count: K.
        padded: there may be fewer than K candidates: empty boxes of score 0 and class 0 fill up.
    """
    boxes, scores = candidates.boxes, candidates.scores
    class_ids = builder.cast(candidates.class_ids, TensorProto.INT32)
    if padded:
        boxes = builder.op("Pad", boxes, builder.ints(0, 0, 0, 0, count, 0))
        scores = builder.op("Pad", scores, builder.ints(0, 0, 0, count))
        class_ids = builder.op("Pad", class_ids, builder.ints(0, 0, 0, count))
    best, order = builder.two("TopK", scores, builder.ints(count), axis=1, largest=1, sorted=1)
    builder.op("Identity", best, output="scores")
    builder.op("GatherElements", class_ids, order, output="class_ids", axis=1)
    where = builder.op("Unsqueeze", order, builder.ints(2))
    builder.op("GatherND", boxes, where, output="boxes", batch_dims=1)


def best_class(builder: GraphBuilder, values: str) -> tuple[str, str]:
    """The largest value and its class: of (N, A, C) both (N, A)."""
    largest = builder.op("ReduceMax", values, builder.ints(2), keepdims=0)
    return largest, builder.op("ArgMax", values, axis=2, keepdims=0)
