"""The process that inspects images for a thread of ingest: `python -m cvops_ingest.inspector SOCKET MEMORY`.

It lives as long as the socket that it was given is open on the other side, so it cannot outlive ingest.
"""

import copyreg
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass, fields
from mmap import ACCESS_READ, mmap
from multiprocessing.connection import Connection
from operator import attrgetter
from typing import Any, Literal

import cv2

from cvops_common.telemetry import configure_logging
from cvops_ingest.inspection import Inspection, Wish, inspect_all
from cvops_vision.probe import ImageInfo, ImageLimits
from cvops_vision.statistics import ImageStats


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message: what an image may cost, and how to log."""

    limits: ImageLimits
    log_level: str
    log_format: Literal["json", "text"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an image lies in the shared memory, [start, end) in bytes, and whether a thumbnail of it is wished."""

    start: int
    end: int
    thumbnail: bool


def serve(connection: "Connection[Any, Any]", memory: mmap) -> None:
    """Answers lists of places with lists of findings until the other side closes."""
    hello: Hello = connection.recv()
    configure_logging(hello.log_level, hello.log_format)
    connection.send(True)
    while True:
        places: list[Place] = connection.recv()
        wishes = [Wish(memory[place.start : place.end], place.thumbnail) for place in places]
        connection.send(inspect_all(wishes, hello.limits))


def pack_small(*kinds: type) -> None:
    """Lets dataclasses be pickled as calls with their fields: a fifth of the cost of their own state, one by one."""
    for kind in kinds:
        values = attrgetter(*(field.name for field in fields(kind)))
        copyreg.pickle(kind, lambda it, kind=kind, values=values: (kind, values(it)))  # type: ignore[misc]


def main() -> None:
    """Serves until ingest is gone; a signal for all of its group is for ingest to heed."""
    pack_small(Inspection, ImageInfo, ImageStats)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    cv2.setNumThreads(1)
    with suppress(EOFError, OSError):
        serve(Connection(int(sys.argv[1])), mmap(int(sys.argv[2]), 0, access=ACCESS_READ))


if __name__ == "__main__":
    main()
