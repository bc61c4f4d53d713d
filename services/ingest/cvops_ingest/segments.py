"""Segments: objects that hold the images of many frames, one behind the other, named by the hour of their writing."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from uuid import uuid4

ROOT = "segments"
_HOUR = "%Y/%m/%d/%H"
_SUFFIX = ".seg"


def new_uri(at: datetime) -> str:
    """A fresh name, e.g. "segments/2026/11/23/14/5f0c....seg"."""
    return f"{folder(at)}/{uuid4().hex}{_SUFFIX}"


def folder(at: datetime) -> str:
    """The folder of all segments written in the hour of `at`, e.g. "segments/2026/11/23/14"."""
    return f"{ROOT}/{at.astimezone(UTC):{_HOUR}}"


def hour_of(uri: str) -> datetime | None:
    """Begin of the hour (UTC) in which a segment was written; None when `uri` names no segment."""
    head, _, name = uri.rpartition("/")
    if not name.endswith(_SUFFIX) or not head.startswith(f"{ROOT}/"):
        return None
    try:
        return datetime.strptime(head.removeprefix(f"{ROOT}/"), _HOUR).replace(tzinfo=UTC)
    except ValueError:
        return None


def is_expired(uri: str, retention: timedelta, now: datetime) -> bool:
    """Whether the youngest frame that the segment can hold is older than `retention`; never for other objects."""
    hour = hour_of(uri)
    return hour is not None and hour + timedelta(hours=1) + retention <= now


def offsets(images: Sequence[bytes]) -> list[int]:
    """Where each image begins when they are written one behind the other.

    Example:
        offsets([b"abc", b"de", b"f"]) == [0, 3, 5]
    """
    return list(accumulate((len(image) for image in images), initial=0))[:-1]
