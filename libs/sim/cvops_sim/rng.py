"""Random numbers that depend on nothing but their key.

Every choice of the simulator draws from `generator(...)` with a key that names the entity and, where it changes, the
time. The generator is counter based (Philox), so any frame can be made without the frames before it, and the same key
gives the same numbers in every process.
"""

from hashlib import blake2b

import numpy as np


def generator(*key: int | str) -> np.random.Generator:
    """A fresh generator for `key`, e.g. `generator(camera.seed, "noise", tick)`."""
    digest = blake2b("/".join(map(str, key)).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def number(*key: int | str) -> int:
    """A whole number of 31 bits for `key`: a seed for something below, or an identity."""
    return int.from_bytes(blake2b("/".join(map(str, key)).encode(), digest_size=4).digest(), "little") >> 1
