"""The raw head of YOLOX (Ge et al. 2021, arXiv:2107.08430): one row per grid cell of the strides 8, 16, 32 (and 64).

A row is dx, dy, log w, log h, objectness, class probabilities; the centre is (cell + d) * stride, a side exp(log) *
stride, the score objectness times class probability.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cvops_bundles.candidates import Candidates, append_best, best_class
from cvops_bundles.graph import GraphBuilder
from cvops_bundles.onnx_file import inner_name
from cvops_bundles.probe import ProbedOutput, words_of
from cvops_bundles.signature import ModelInput
from cvops_common.errors import BadBundle

_STRIDES: Final = ((8, 16, 32), (8, 16, 32, 64))


@dataclass(frozen=True, slots=True)
class YoloxHead:
    """A raw YOLOX output that was understood.

    Attributes:
        output: its name in the file.
        strides: px of the network input per cell, by level.
        cells: float32 (A, 2): x and y of each row's cell.
        stride_of_row: float32 (A, 1): px.
        classes: how many.
        max_candidates: K.
    """

    output: str
    strides: tuple[int, ...]
    cells: NDArray[np.float32]
    stride_of_row: NDArray[np.float32]
    classes: int
    max_candidates: int

    def append(self, builder: GraphBuilder) -> None:
        """Adds the nodes from the raw output to `boxes`, `scores`, `class_ids`."""
        rows = builder.to_float(inner_name(self.output))
        stride = builder.constant(self.stride_of_row)
        centre = builder.op("Add", builder.slice(rows, 2, 0, 2), builder.constant(self.cells))
        centre = builder.op("Mul", centre, stride)
        size = builder.op("Mul", builder.op("Exp", builder.slice(rows, 2, 2, 4)), stride)
        half = builder.op("Mul", size, builder.floats(0.5))
        corners = (builder.op("Sub", centre, half), builder.op("Add", centre, half))
        boxes = builder.op("Concat", *corners, axis=2)
        objectness = builder.op("Squeeze", builder.slice(rows, 2, 4, 5), builder.ints(2))
        probability, class_ids = best_class(builder, builder.slice(rows, 2, 5, 5 + self.classes))
        scores = builder.op("Mul", objectness, probability)
        append_best(builder, Candidates(boxes, scores, class_ids), self.max_candidates, padded=False)

    def words(self) -> dict[str, str]:
        """What was understood, for people."""
        return {"output": self.output, "strides": ", ".join(map(str, self.strides)), "anchors": str(len(self.cells))}


def understand_yolox(
    outputs: Sequence[ProbedOutput], source: ModelInput, classes: int, max_candidates: int
) -> YoloxHead:
    """Finds the grid that belongs to the output.

    Raises:
        BadBundle: the output is not the raw head for this input size and number of classes.
    """
    if len(outputs) != 1 or len(outputs[0].shape) != 3:
        raise BadBundle(f"yolox: expected one output [N, anchors, 5 + classes], found {words_of(outputs)}")
    output = outputs[0]
    _, anchors, columns = output.shape
    if columns != 5 + classes:
        raise BadBundle(
            f"yolox: output {output.name} has {columns} columns, that is 5 and {columns - 5} classes; "
            f"found {classes} labels; give one label per class, in the order of training"
        )
    sizes = {strides: sum((source.height // s) * (source.width // s) for s in strides) for strides in _STRIDES}
    strides = next((strides for strides, count in sizes.items() if count == anchors), None)
    if strides is None:
        raise BadBundle(
            f"yolox: expected {sizes[_STRIDES[0]]} rows for an input of {source.width}x{source.height} px at the "
            f"strides 8, 16, 32, found {output.words()}; is this the raw head of YOLOX?"
        )
    cells, stride_of_row = _grid(source, strides)
    head = YoloxHead(output.name, strides, cells, stride_of_row, classes, min(max_candidates, anchors))
    _check_raw(head, output, source)
    return head


def _grid(source: ModelInput, strides: tuple[int, ...]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    cells, rows = [], []
    for stride in strides:
        y, x = np.mgrid[0 : source.height // stride, 0 : source.width // stride]
        cells.append(np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32))
        rows.append(np.full((x.size, 1), stride, np.float32))
    return np.concatenate(cells), np.concatenate(rows)


def _check_raw(head: YoloxHead, output: ProbedOutput, source: ModelInput) -> None:
    rows = np.concatenate([value.astype(np.float32) for value in output.values])
    if not ((rows[..., 4:] >= 0) & (rows[..., 4:] <= 1)).all():
        raise BadBundle(
            f"yolox: objectness and classes of {output.name} must lie in 0..1, found "
            f"{rows[..., 4:].min():.3g}..{rows[..., 4:].max():.3g}; export with the sigmoid of the head inside"
        )
    centre = (rows[..., :2] + head.cells) * head.stride_of_row
    size = np.array([source.width, source.height], np.float32)
    inside = ((centre >= -size) & (centre <= 2 * size)).all(axis=-1).mean()
    if inside < 0.9:
        raise BadBundle(
            f"yolox: the rows of {output.name} seem to be decoded already ({inside:.0%} of the centres lie near the "
            "image); export with decode_in_inference=False"
        )
