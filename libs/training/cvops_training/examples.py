"""Labelled pictures as a network sees them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cvops_bundles.spec import InputSpec
from cvops_datasets.images import LabelledImage
from cvops_vision.letterbox import fill

Picture = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Example:
    """One labelled picture, brought to the size of the network input.

    Attributes:
        picture: uint8 (H, W, 3), RGB, letterboxed.
        boxes: float32 (N, 4), left, top, right, bottom in network px.
        class_ids: int64 (N,).
        ignore: bool (N,): neither trained on nor counted.
        key: identifies it, e.g. the frame id.
        camera_id: that took it.
        slices: regression slices it belongs to.
    """

    picture: Picture
    boxes: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    ignore: NDArray[np.bool_]
    key: str = ""
    camera_id: str = ""
    slices: tuple[str, ...] = field(default=())


def example_of(image_rgb: Picture, label: LabelledImage, classes: Sequence[str], to: InputSpec) -> Example:
    """Brings a picture and its boxes to the network input.

    Args:
        image_rgb: uint8 (H, W, 3), upright; it may be a reduced decode.
        label: what is in it, in px of the full picture.
        classes: names by class id; boxes of other classes are ignored, not taken for background.
        to: size of the input, and how a picture is brought to it.
    """
    ids = {name: number for number, name in enumerate(classes)}
    slot = np.full((to.height, to.width, 3), to.resize.pad_value, np.uint8)
    placement = fill(image_rgb, slot, to.resize)
    height, width = image_rgb.shape[:2]
    reduced = np.array([width / label.width, height / label.height] * 2, np.float32)
    boxes = np.array([box.xyxy for box in label.boxes], np.float32).reshape(-1, 4) * reduced
    return Example(
        picture=slot,
        boxes=placement.to_network(boxes),
        class_ids=np.array([ids.get(box.class_name, 0) for box in label.boxes], np.int64),
        ignore=np.array([not box.counts or box.class_name not in ids for box in label.boxes], np.bool_),
        key=label.frame_id,
        camera_id=label.camera_id,
        slices=label.slices,
    )


def clipped(
    boxes: NDArray[np.float32], size_wh: tuple[int, int], least_left: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Boxes of a moved picture, cut at its borders, and which of them keep at least `least_left` of their area.

    Args:
        boxes: (N, 4), left, top, right, bottom in px; they may reach beyond the picture.
        size_wh: width and height of the picture, px.
        least_left: share of the area, 0..1.
    """
    inside = np.clip(boxes, 0, np.array([*size_wh, *size_wh], np.float32))
    sides, were = inside[:, 2:] - inside[:, :2], boxes[:, 2:] - boxes[:, :2]
    return inside, sides.prod(1) >= least_left * were.prod(1)
