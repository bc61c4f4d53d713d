"""Small conversions between contracts and documents."""

from hashlib import sha256
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from cvops_common.mongo import Document
from cvops_protos.v1.image_pb2 import ObjectRange

_SIGN = 1 << 63


def identity(*parts: object) -> str:
    """32 hexadecimal digits that stand for these parts."""
    return sha256("\0".join(map(str, parts)).encode()).hexdigest()[:32]


def signed(bits: int) -> int:
    """64 bits as the signed number that MongoDB can keep."""
    return (bits ^ _SIGN) - _SIGN


def stamp(ns: int) -> Timestamp:
    """Nanoseconds since the Unix epoch as a timestamp."""
    out = Timestamp()
    out.FromNanoseconds(ns)
    return out


def where_of(document: Document) -> ObjectRange | None:
    """Where the image of a frame lies; None when it was not kept."""
    where: dict[str, Any] | None = document.get("where")
    return None if where is None else ObjectRange(**where)
