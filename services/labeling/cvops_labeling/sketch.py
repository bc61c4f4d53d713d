"""A picture in 64 bytes: embeddings projected to few dimensions, so that distances between frames survive.

The projection is one of random signs (Achlioptas 2003); with 32 dimensions distances are kept within about 18 %. The
signs come from a hash, so that no version of a library can change them.
"""

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 32


def sketch(embedding: NDArray[np.float16] | NDArray[np.float32]) -> bytes:
    """The projection of one embedding (D,) as float16, little endian; empty when it is not finite."""
    values = np.asarray(embedding, np.float32)
    if not values.size or not np.isfinite(values).all():
        return b""
    with np.errstate(over="ignore"):
        projected = np.clip(values @ _projection(values.size), -65504, 65504)
    return bytes(projected.astype("<f2").tobytes())


def read_sketch(data: bytes) -> NDArray[np.float32] | None:
    """float32 (32,), or None when there is none."""
    return np.frombuffer(data, "<f2").astype(np.float32) if len(data) == 2 * DIMENSIONS else None


@lru_cache(maxsize=16)
def _projection(size: int) -> NDArray[np.float32]:
    """(D, 32), the same in every process for ever."""
    digest = hashlib.shake_256(str(size).encode()).digest(size * DIMENSIONS // 8)
    signs = np.unpackbits(np.frombuffer(digest, np.uint8)).reshape(size, DIMENSIONS).astype(np.float32) * 2 - 1
    return np.asarray(signs / np.sqrt(DIMENSIONS), np.float32)
