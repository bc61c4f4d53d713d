"""Truth on disk: JSON lines, one frame each, in the order in which frames were made."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self, TextIO

from cvops_sim.errors import ScoreError
from cvops_sim.truth import FrameTruth


class TruthWriter:
    """Writes truths from any thread while it is entered."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # A line a frame is written at once, so that an oracle can follow.
        self._file = self._path.open("w", buffering=1)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, truth: FrameTruth) -> None:
        """Appends the truth of a frame."""
        line = json.dumps(truth.to_json(), separators=(",", ":"))
        with self._lock:
            if self._file is not None:
                self._file.write(line + "\n")


def read_truth(path: Path) -> Iterator[FrameTruth]:
    """The truths of a file.

    Raises:
        ScoreError: it cannot be read, or a line is no truth.
    """
    try:
        with path.open() as file:
            for number, line in enumerate(file, 1):
                try:
                    yield FrameTruth.from_json(json.loads(line))
                except (ValueError, KeyError, TypeError) as error:
                    raise ScoreError(f"{path}, line {number}: no truth of a frame ({error!r})") from error
    except OSError as error:
        raise ScoreError(f"truth {path} cannot be read: {error.strerror}") from error
