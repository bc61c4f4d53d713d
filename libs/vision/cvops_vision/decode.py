"""Encoded image to pixels, upright, with damage detected. The GIL is released while decoding."""

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from cvops_common.errors import BadImage
from cvops_vision.probe import ImageInfo

ImageRGB = NDArray[np.uint8]

_PIXELS = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION


def decode_rgb(
    data: bytes | bytearray | memoryview,
    info: ImageInfo,
    *,
    min_width: int | None = None,
    min_height: int | None = None,
) -> ImageRGB:
    """Decodes an image that `probe` has accepted.

    Args:
        data: the encoded image.
        info: what `probe` said of it.
        min_width: in px of the upright image. With a minimum the decoder may reduce the picture as far as both minima
            allow (JPEG in its DCT, at a fraction of the cost); without any it is decoded in full size and quality.
        min_height: likewise.

    Returns:
        uint8 (H, W, 3), RGB, upright, C-contiguous; (info.height, info.width) when no minimum was given.

    Raises:
        BadImage: with the reason `truncated` (the data ends early) or `undecodable` (the data is damaged).
    """
    if info.orientation >= 5:
        min_width, min_height = min_height, min_width
    reduced = min_width is not None or min_height is not None
    if info.encoding == "jpeg":
        stored = _jpeg(data, min_width or 0, min_height or 0, reduced=reduced)
    else:
        stored = _with_opencv(data, info)
        stored = _reduce(stored, min_width or 1, min_height or 1) if reduced else stored
    image = upright(stored, info.orientation)
    if not reduced and image.shape[:2] != (info.height, info.width):
        raise BadImage(
            f"{info.encoding} image decodes to {image.shape[1]}x{image.shape[0]} px, expected "
            f"{info.width}x{info.height} by its header: it is damaged, send it again from its source",
            reason="undecodable",
        )
    return image


def upright(stored: ImageRGB, orientation: int) -> ImageRGB:
    """Turns and mirrors stored pixels as their EXIF orientation 1..8 says.

    Example:
        Orientation 6 is a camera held with its right side down: the stored (H, W, 3) becomes (W, H, 3).
    """
    if orientation in (5, 6, 7, 8):
        stored = np.swapaxes(stored, 0, 1)
    if orientation in (3, 4, 7, 8):
        stored = stored[::-1]
    if orientation in (2, 3, 6, 7):
        stored = stored[:, ::-1]
    return np.ascontiguousarray(stored)


def _jpeg(data: bytes | bytearray | memoryview, min_width: int, min_height: int, *, reduced: bool) -> ImageRGB:
    try:
        pixels: ImageRGB = simplejpeg.decode_jpeg(
            data,
            "RGB",
            min_width=min_width,
            min_height=min_height,
            min_factor=2 if reduced else 1,  # factors below 2 cost more than they save
            fastdct=reduced,
            fastupsample=reduced,
            strict=True,
        )
    except ValueError as error:
        text = str(error)
        reason = "truncated" if "remature end" in text else "undecodable"
        raise BadImage(f"JPEG cannot be decoded: {text}; send it again from its source", reason=reason) from error
    return pixels


def _with_opencv(data: bytes | bytearray | memoryview, info: ImageInfo) -> ImageRGB:
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), _PIXELS)
    except cv2.error as error:
        raise _damaged(info) from error
    if pixels is None:
        raise _damaged(info)
    return np.asarray(pixels, np.uint8)


def _damaged(info: ImageInfo) -> BadImage:
    return BadImage(
        f"{info.encoding} image cannot be decoded: it is damaged, send it again from its source", reason="undecodable"
    )


def _reduce(pixels: ImageRGB, min_width: int, min_height: int) -> ImageRGB:
    height, width = pixels.shape[:2]
    factor = min(width // max(min_width, 1), height // max(min_height, 1))
    if factor < 2:
        return pixels
    size = (-(-width // factor), -(-height // factor))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
