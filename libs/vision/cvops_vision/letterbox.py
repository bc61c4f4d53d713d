"""From an image of any size to the input of a network, and boxes back again."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from cvops_common.errors import BadArgument

_AREA_BELOW: Final = 2 / 3
"""Shrinking below this share of the size aliases visibly with linear interpolation."""


class ResizeRule(StrEnum):
    """How an image is brought to the size of the network input."""

    LETTERBOX_TOP_LEFT = "letterbox_top_left"
    """Keeps the aspect ratio; the image lies at the top left, padding right and below (YOLOX)."""
    LETTERBOX = "letterbox"
    """Keeps the aspect ratio; the image lies in the centre, padding around it (YOLOv5 and later)."""
    STRETCH = "stretch"
    """Fills the input, whatever happens to the aspect ratio."""
    CENTRE_CROP = "centre_crop"
    """Short side to a given length, then the centre is cut out (ImageNet classifiers)."""


class Interpolation(StrEnum):
    """How pixels are resampled."""

    LINEAR = "linear"
    """Always linear: what many detectors were trained and are compared with."""
    ANTIALIASED = "antialiased"
    """Mean over the area when shrinking below two thirds, else linear."""


@dataclass(frozen=True, slots=True)
class Resize:
    """The resize rule of a model.

    Attributes:
        rule: geometry.
        interpolation: resampling.
        pad_value: grey value 0..255 of the padding of a letterbox.
        short_side_px: for `centre_crop` only: length of the short side before the cut; at least the network's larger
            side. None: exactly the network's larger side.
    """

    rule: ResizeRule
    interpolation: Interpolation = Interpolation.ANTIALIASED
    pad_value: int = 114
    short_side_px: int | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the original image lies in the network input: `x_network = x_original * scale_x + offset_x`.

    Attributes:
        scale_x: network px per px of the original; `scale_y` alike.
        offset_x: network px; negative when the original is cut; `offset_y` alike.
        original_wh: width and height of the original in px.
        network_wh: width and height of the network input in px.
        content: left, top, width, height in network px of the whole resized picture, also where it is cut off.
    """

    scale_x: float
    scale_y: float
    offset_x: float
    offset_y: float
    original_wh: tuple[int, int]
    network_wh: tuple[int, int]
    content: tuple[int, int, int, int]

    def to_original(self, boxes_xyxy: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Boxes (N, 4) in network px as float32 (N, 4) in px of the original, clipped to the original."""
        boxes = (np.asarray(boxes_xyxy, np.float32) - self._offsets()) / self._scales()
        width, height = self.original_wh
        limits = np.array([width, height, width, height], np.float32)
        clipped: NDArray[np.float32] = np.clip(boxes, 0, limits)
        return clipped

    def to_network(self, boxes_xyxy: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Boxes (N, 4) in px of the original as float32 (N, 4) in network px, not clipped."""
        boxes: NDArray[np.float32] = np.asarray(boxes_xyxy, np.float32) * self._scales() + self._offsets()
        return boxes

    def _scales(self) -> NDArray[np.float32]:
        return np.array([self.scale_x, self.scale_y] * 2, np.float32)

    def _offsets(self) -> NDArray[np.float32]:
        return np.array([self.offset_x, self.offset_y] * 2, np.float32)


def place(resize: Resize, original_wh: tuple[int, int], network_wh: tuple[int, int]) -> Placement:
    """Where an image of `original_wh` px comes to lie in an input of `network_wh` px.

    A letterbox has one scale for both axes, and the sizes in whole px follow from it (rounded down at the top left as
    YOLOX does, to the nearest when centred), because that is the scale the labels were scaled with in training.

    Raises:
        BadArgument: a size is not positive, or `short_side_px` is smaller than the input.
    """
    if min(*original_wh, *network_wh) <= 0:
        raise BadArgument(f"resize: expected positive sizes, found image {original_wh} and network input {network_wh}")
    width, height = original_wh
    network_w, network_h = network_wh
    if resize.rule is ResizeRule.STRETCH:
        content = (0, 0, network_w, network_h)
        return Placement(network_w / width, network_h / height, 0.0, 0.0, original_wh, network_wh, content)
    if resize.rule is ResizeRule.CENTRE_CROP:
        return _centre_crop(resize, original_wh, network_wh)
    scale = min(network_w / width, network_h / height)
    if resize.rule is ResizeRule.LETTERBOX_TOP_LEFT:
        content = (0, 0, max(1, int(width * scale)), max(1, int(height * scale)))
    else:
        inner_w, inner_h = max(1, round(width * scale)), max(1, round(height * scale))
        content = ((network_w - inner_w) // 2, (network_h - inner_h) // 2, inner_w, inner_h)
    return Placement(scale, scale, float(content[0]), float(content[1]), original_wh, network_wh, content)


def fill(
    image_rgb: NDArray[np.uint8],
    slot: NDArray[np.uint8],
    resize: Resize,
    original_wh: tuple[int, int] | None = None,
) -> Placement:
    """Writes an image into its place in a batch, every byte of it, and tells where it lies.

    Args:
        image_rgb: uint8 (h, w, 3), upright; may have been decoded at a reduced size.
        slot: uint8 (H, W, 3), C-contiguous; overwritten.
        resize: the rule of the model.
        original_wh: size of the image before a reduced decode; boxes are mapped to it. None: the size of `image_rgb`.

    Raises:
        BadArgument: `image_rgb` or `slot` has another shape or type, or the rule does not fit.
    """
    for name, array in (("image", image_rgb), ("slot", slot)):
        if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8:
            raise BadArgument(f"{name}: expected uint8 (height, width, 3), found {array.dtype} {array.shape}")
    placement = place(resize, original_wh or (image_rgb.shape[1], image_rgb.shape[0]), (slot.shape[1], slot.shape[0]))
    left, top, width, height = placement.content
    if left < 0 or top < 0 or width > slot.shape[1] or height > slot.shape[0]:
        whole = np.empty((height, width, 3), np.uint8)
        _resample(image_rgb, whole, resize.interpolation)
        slot[:] = whole[-top : -top + slot.shape[0], -left : -left + slot.shape[1]]
        return placement
    right, bottom = left + width, top + height
    slot[:top] = slot[bottom:] = resize.pad_value
    slot[top:bottom, :left] = slot[top:bottom, right:] = resize.pad_value
    _resample(image_rgb, slot[top:bottom, left:right], resize.interpolation)
    return placement


def _centre_crop(resize: Resize, original_wh: tuple[int, int], network_wh: tuple[int, int]) -> Placement:
    short_side = resize.short_side_px or max(network_wh)
    if short_side < max(network_wh):
        raise BadArgument(
            f"centre crop: the short side of {short_side} px is smaller than the network input {network_wh}; "
            f"use {max(network_wh)} px or more"
        )
    scale = short_side / min(original_wh)
    inner_w, inner_h = (max(short_side, int(side * scale)) for side in original_wh)
    left, top = -((inner_w - network_wh[0]) // 2), -((inner_h - network_wh[1]) // 2)
    content = (left, top, inner_w, inner_h)
    return Placement(scale, scale, float(left), float(top), original_wh, network_wh, content)


def _resample(image: NDArray[np.uint8], target: NDArray[np.uint8], interpolation: Interpolation) -> None:
    height, width = target.shape[:2]
    if image.shape[:2] == (height, width):
        target[:] = image
        return
    shrinks = min(width / image.shape[1], height / image.shape[0]) < _AREA_BELOW
    area = interpolation is Interpolation.ANTIALIASED and shrinks
    # Straight into the slot where its rows allow it: no copy of the picture is made.
    cv2.resize(image, (width, height), dst=target, interpolation=cv2.INTER_AREA if area else cv2.INTER_LINEAR)
