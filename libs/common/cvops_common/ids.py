"""Ids: of things, the same whenever a thing is seen, so that stores deduplicate by it; and random ones of events."""

import os
import random
import re
from hashlib import sha256

from cvops_common.errors import BadArgument

_CAMERA_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_RANDOM = random.Random()  # noqa: S311 - seeded by the system, for ids and nothing that must stay secret
os.register_at_fork(after_in_child=_RANDOM.seed)


def frame_id(camera_id: str, captured_at_ns: int, sequence: int) -> str:
    """Id of a frame: 12 hex digits of the capture time in milliseconds, then 20 of a hash; sorts by time.

    Args:
        camera_id: the camera.
        captured_at_ns: capture time, nanoseconds since the Unix epoch.
        sequence: number of the frame in its stream.
    """
    digest = sha256(f"{camera_id}\0{captured_at_ns}\0{sequence}".encode()).hexdigest()
    return f"{max(captured_at_ns, 0) // 1_000_000:012x}{digest[:20]}"


def random_hex(bits: int) -> str:
    """A random number as hexadecimal digits; cheaper than asking the system, which would hand the GIL to others."""
    return f"{_RANDOM.getrandbits(bits):0{bits // 4}x}"


def prediction_id(frame_id: str, bundle_sha256: str, role: str) -> str:
    """Id of what one model in one role says of one frame: 32 hex digits, sorting with its frame."""
    digest = sha256(f"{frame_id}\0{bundle_sha256}\0{role}".encode()).hexdigest()
    return f"{frame_id[:12]}{digest[:20]}"


def check_name(kind: str, name: str) -> str:
    """`name` itself when it can name a camera, project, model or slot.

    Raises:
        BadArgument: it is empty, too long or holds other characters than letters, digits, '.', '_' and '-'.
    """
    if not _CAMERA_ID.fullmatch(name):
        raise BadArgument(
            f"{kind} {name[:80]!r} cannot be used: expected 1 to 64 letters, digits, '.', '_' or '-'; "
            "choose another name"
        )
    return name


def check_camera_id(camera_id: str) -> str:
    """`camera_id` itself when it can name a camera, else BadArgument."""
    return check_name("camera id", camera_id)
