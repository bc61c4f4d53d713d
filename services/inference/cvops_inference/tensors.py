"""Tensors of the Open Inference Protocol, to and from bytes and arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvops_common.errors import BadArgument

DATATYPES = {np.dtype(np.float32): "FP32", np.dtype(np.int32): "INT32", np.dtype(np.uint8): "UINT8"}

_MAX_IMAGES = 64


def images_of(
    name: str, datatype: str, shape: Sequence[int], raw: bytes | memoryview
) -> list[bytes | NDArray[np.uint8]]:
    """The images in the raw bytes of the input.

    Args:
        name: of the input.
        datatype: BYTES: encoded images, each a 4-byte little-endian length and its data; UINT8: RGB pixels.
        shape: BYTES: (N,) or (N, 1); UINT8: (H, W, 3) or (N, H, W, 3).
        raw: the content.

    Raises:
        BadArgument: something does not fit; says what was expected and found.
    """
    if name != "image":
        raise BadArgument(f"input {name!r} is not known: expected the one input 'image'")
    if datatype == "BYTES":
        return _byte_elements(shape, raw)
    if datatype == "UINT8":
        return _pixels(shape, raw)
    raise BadArgument(
        f"input 'image' has datatype {datatype}, expected BYTES (encoded images) or UINT8 (RGB pixels): "
        "models take pixels as they are, scaling and normalisation are in the model"
    )


def _byte_elements(shape: Sequence[int], raw: bytes | memoryview) -> list[bytes | NDArray[np.uint8]]:
    count = int(np.prod(shape)) if shape else 0
    if not 1 <= count <= _MAX_IMAGES:
        raise BadArgument(f"input 'image' has shape {list(shape)}, expected [N] with 1 to {_MAX_IMAGES} encoded images")
    images: list[bytes | NDArray[np.uint8]] = []
    at = 0
    for _ in range(count):
        length = int.from_bytes(raw[at : at + 4], "little")
        if at + 4 > len(raw) or at + 4 + length > len(raw):
            raise BadArgument(
                f"input 'image' has {len(raw)} bytes, which end inside element {len(images)} of {count}: expected for "
                "each a 4-byte little-endian length and its data"
            )
        images.append(bytes(raw[at + 4 : at + 4 + length]))
        at += 4 + length
    if at != len(raw):
        raise BadArgument(f"input 'image' has {len(raw) - at} bytes more than its {count} elements")
    return images


def _pixels(shape: Sequence[int], raw: bytes | memoryview) -> list[bytes | NDArray[np.uint8]]:
    full = (1, *shape) if len(shape) == 3 else tuple(shape)
    if len(full) != 4 or full[3] != 3 or min(full) < 1 or full[0] > _MAX_IMAGES:
        raise BadArgument(
            f"input 'image' has shape {list(shape)}, expected [H, W, 3] or [N, H, W, 3] with N up to {_MAX_IMAGES}"
        )
    if len(raw) != int(np.prod(full)):
        raise BadArgument(f"input 'image' has {len(raw)} bytes, expected {int(np.prod(full))} for UINT8 {list(shape)}")
    return list(np.frombuffer(raw, np.uint8).reshape(full))


def raw_of(array: NDArray[Any]) -> bytes:
    """Row-major, little-endian bytes of an output."""
    return np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
