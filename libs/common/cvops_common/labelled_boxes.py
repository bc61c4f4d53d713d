"""The boxes of a label as arrays: what counts, and what is neither asked for nor held against anybody."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvops_protos.v1.labeling_pb2 import Annotation


@dataclass(frozen=True, eq=False, slots=True)
class LabelledBoxes:
    """Boxes in absolute px of the original frame.

    Attributes:
        xyxy: that count, float32 (N, 4).
        class_names: of these.
        ignored_xyxy: crowds, and what is marked to be ignored, float32 (M, 4).
    """

    xyxy: NDArray[np.float32]
    class_names: tuple[str, ...]
    ignored_xyxy: NDArray[np.float32]


def boxes_of(annotations: Sequence[Annotation]) -> LabelledBoxes:
    """The boxes among annotations; other shapes are left out."""
    boxes = [each for each in annotations if each.WhichOneof("shape") == "box"]
    counts = [each for each in boxes if not each.ignore and not each.crowd]
    ignored = [each for each in boxes if each.ignore or each.crowd]
    return LabelledBoxes(_xyxy(counts), tuple(each.class_name for each in counts), _xyxy(ignored))


def _xyxy(annotations: Sequence[Annotation]) -> NDArray[np.float32]:
    boxes = [each.box for each in annotations]
    rows = [(box.left, box.top, box.left + box.width, box.top + box.height) for box in boxes]
    return np.array(rows, np.float32).reshape(-1, 4)
