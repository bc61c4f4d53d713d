"""Store and forward: frames on disk while ingest is away, in order, bounded, readable after a kill.

A spool is a folder of numbered files; each record is a length, a CRC-32 and a serialized PushFramesRequest. A file is
removed when all its frames were acknowledged. A record half written by a process that died is ignored.
"""

import struct
import zlib
from collections.abc import Iterator
from errno import EDQUOT, EFBIG, ENOSPC
from pathlib import Path
from typing import BinaryIO

from google.protobuf.message import DecodeError

from cvops_protos.v1.ingest_pb2 import PushFramesRequest

_HEAD = struct.Struct("<II")
_FILE_BYTES = 4 * 1024 * 1024
_FILES_AT_LEAST = 8  # in a full spool: with each that is dropped it loses that share
_FULL = (ENOSPC, EDQUOT, EFBIG)


class Spool:
    """A bounded queue of frames on disk. Not thread-safe: its owner holds a lock.

    Attributes:
        dropped: frames that were thrown away because the spool or its disk was full, the oldest first.
        disk_is_full: whether the disk had no room for the last frame, less than the spool's own limit.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        """Takes over what an earlier run left in `folder`; the disk holds `limit_bytes` at most, give or take a frame.

        Raises:
            OSError: the folder cannot be made or read.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for unfinished in folder.glob("*.new"):  # of a `put_back` that was killed; its frames are where they were
            unfinished.unlink()
        self._folder = folder
        self._limit = limit_bytes
        self._file_bytes = min(_FILE_BYTES, limit_bytes // _FILES_AT_LEAST)
        self._files = sorted(path for path in folder.glob("*.spool") if path.stem.isdigit())
        self._sizes = {path: path.stat().st_size for path in self._files}
        self._writing: BinaryIO | None = None
        self._next = 1 + max((int(path.stem) for path in self._files), default=0)
        self._counts: dict[Path, int] = {}
        self.dropped = 0
        self.disk_is_full = False

    def __bool__(self) -> bool:
        """Whether there is a file to read."""
        return bool(self._files)

    @property
    def size_bytes(self) -> int:
        """Bytes on disk."""
        return sum(self._sizes.values())

    def append(self, request: PushFramesRequest) -> None:
        """Adds a frame at the end; drops the oldest files when the spool is full.

        On a disk that is full the oldest file makes room; where that does not help, this frame is dropped and counted.

        Raises:
            OSError: the disk does not take it for another reason; what is there stays readable.
        """
        record = _record(request)
        while self.size_bytes + len(record) > self._limit and self._files:
            self._drop_oldest()
        self.disk_is_full = not self._write(record)
        if self.disk_is_full:
            if self._files:
                self._drop_oldest()
            if not self._write(record):
                self.dropped += 1

    def _write(self, record: bytes) -> bool:
        """Writes a record at the end; False when the disk has no room for it."""
        try:
            if self._writing is None:
                self._open_file()
            assert self._writing is not None
            written = self._writing.write(record)
        except OSError as error:
            self._finish_file()
            if error.errno not in _FULL:
                raise
            written = 0
        path = self._files[-1] if self._files else None
        if written != len(record):
            self._finish_file()  # nothing may follow a torn record
            if path is not None:
                self._sizes[path] += written
                if self._sizes[path] == 0:
                    self.remove(path)
            return False
        assert path is not None
        self._sizes[path] += written
        self._counts[path] = self._counts.get(path, 0) + 1
        if self._sizes[path] >= self._file_bytes:
            self._finish_file()
        return True

    def put_back(self, requests: list[PushFramesRequest], instead_of: list[Path]) -> None:
        """Puts frames before all others, for the files of `instead_of` that were taken and whose frames these are.

        They are on disk whole before anything is removed: a process killed in between leaves frames twice, never none.
        What is too much for the spool is dropped, the oldest first.

        Raises:
            OSError: the disk does not take them.
        """
        room = self._limit - self.size_bytes + sum(self._sizes[path] for path in instead_of)
        records = [_record(request) for request in requests]
        total = sum(map(len, records))
        while records and total > room:
            total -= len(records.pop(0))
            self.dropped += 1
        free = int(self._files[0].stem) - 1 if self._files else self._next
        self._next = max(self._next, free + 1)
        path = self._folder / f"{free:012d}.spool"
        new = path.with_suffix(".new")
        new.write_bytes(b"".join(records))
        new.replace(path)
        for old in instead_of:
            if old != path:
                self._forget(old)
        self._files.insert(0, path)
        self._sizes[path] = total
        self._counts[path] = len(records)

    def take(self) -> tuple[Path, list[PushFramesRequest]] | None:
        """The oldest file and its frames; it stays on disk until `remove`, but is not given again. None: empty."""
        while self._files:
            if len(self._files) == 1:
                self._finish_file()
            path = self._files.pop(0)
            frames = list(_read(path))
            if frames:
                return path, frames
            self._forget(path)
        return None

    def remove(self, path: Path) -> None:
        """Forgets a file and its frames."""
        if path in self._files:
            self._files.remove(path)
        self._forget(path)

    def close(self) -> None:
        """Closes the file being written; everything stays on disk."""
        self._finish_file()

    def _open_file(self) -> None:
        path = self._folder / f"{self._next:012d}.spool"
        self._next += 1
        self._writing = path.open("wb", buffering=0)
        self._files.append(path)
        self._sizes[path] = 0

    def _drop_oldest(self) -> None:
        oldest = self._files[0]
        if len(self._files) == 1:
            self._finish_file()
        self.dropped += self._counts.get(oldest) or sum(1 for _ in _read(oldest))
        self.remove(oldest)

    def _finish_file(self) -> None:
        if self._writing is not None:
            self._writing.close()
            self._writing = None

    def _forget(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._sizes.pop(path, None)
        self._counts.pop(path, None)


def _record(request: PushFramesRequest) -> bytes:
    body = request.SerializeToString()
    return _HEAD.pack(len(body), zlib.crc32(body)) + body


def _read(path: Path) -> Iterator[PushFramesRequest]:
    """The frames in a file, up to the first record that is not whole."""
    data = path.read_bytes()
    at = 0
    while at + _HEAD.size <= len(data):
        length, checksum = _HEAD.unpack_from(data, at)
        body = data[at + _HEAD.size : at + _HEAD.size + length]
        if len(body) < length or zlib.crc32(body) != checksum:
            return
        try:
            yield PushFramesRequest.FromString(body)
        except DecodeError:
            return
        at += _HEAD.size + length
