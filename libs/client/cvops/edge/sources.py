"""Where frames come from: video files, folders and globs of images, RTSP and other streams, USB devices."""

import glob
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cvops.errors import SourceError

try:
    import av
    import av.error
except ImportError as missing:
    raise ImportError('the edge agent needs more than the client: pip install "cvops[edge]"') from missing

ImageBGR: TypeAlias = NDArray[np.uint8]

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_STREAM_SCHEMES = ("rtsp://", "rtsps://", "rtmp://", "http://", "https://", "udp://", "srt://")
_LONGEST_PAUSE_S = 10.0
_MAY_MISS = 0.02
"""Share of the announced frames that edit lists may leave out."""


@dataclass(frozen=True, slots=True)
class Captured:
    """A frame of a source.

    Attributes:
        image: encoded bytes of an image file as they are, or decoded pixels, uint8 (H, W, 3) in BGR order.
        offset_s: time since the first frame, by the time stamps of the source: when the frame is there.
        captured_s: when it was captured, by the clock of the camera; None: as `offset_s`.
    """

    image: bytes | ImageBGR
    offset_s: float
    captured_s: float | None = None


class Source(Protocol):
    """Gives frames in order.

    Attributes:
        live: whether it goes on while nobody looks: then frames are dropped rather than waited for.
        count: frames that it is said to have; None: not known.
        corrupt: frames so far that could not be decoded and were skipped.
    """

    live: bool
    count: int | None
    corrupt: int

    def frames(self) -> Iterator[Captured]:
        """From the beginning.

        Raises:
            SourceError: it cannot be opened or has no frame that can be decoded.
        """


def open_source(where: str, fps: float | None = None) -> Source:
    """The source that `where` names.

    Args:
        where: a file, a folder of images, a glob, rtsp://... or another stream, /dev/videoN.
        fps: of a folder of images; None: 1.

    Raises:
        SourceError: there is no such thing.
    """
    if where.startswith(_STREAM_SCHEMES):
        return Stream(where)
    if where.startswith("/dev/"):
        return Stream(where, {"format": "v4l2"})
    path = Path(where)
    if path.is_dir():
        return Images(sorted(file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES), where, fps)
    if not path.exists() and glob.has_magic(where):
        found = sorted(Path(file) for file in glob.glob(where, recursive=True))  # noqa: PTH207 - the pattern is absolute
        return Images([file for file in found if file.suffix.lower() in IMAGE_SUFFIXES], where, fps)
    if not path.exists():
        raise SourceError(
            f"{where} does not exist: expected a video, an image, a folder, a glob, rtsp://... or /dev/video0"
        )
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return Images([path], where, fps)
    return Video(path)


class Images:
    """Image files, byte for byte, one every 1/fps seconds."""

    live = False

    def __init__(self, files: list[Path], where: str, fps: float | None) -> None:
        if not files:
            raise SourceError(f"{where} holds no image: expected files that end in {', '.join(IMAGE_SUFFIXES)}")
        self._files = files
        self._period_s = 1.0 / (fps or 1.0)
        self.count: int | None = len(files)
        self.corrupt = 0

    def frames(self) -> Iterator[Captured]:
        """Every file in order of its name. What is no image is refused by ingest, with its reason."""
        for number, file in enumerate(self._files):
            try:
                data = file.read_bytes()
            except OSError as error:
                raise SourceError(f"{file} cannot be read: {error.strerror}") from error
            yield Captured(data, number * self._period_s)


class Video:
    """A video file."""

    live = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self.count: int | None = None
        self.corrupt = 0

    def frames(self) -> Iterator[Captured]:
        """Every frame that can be decoded; damaged ones are counted and skipped."""
        decoded = 0
        try:
            with av.open(str(self._path)) as container:
                stream = _video_stream(container, str(self._path))
                self.count = stream.frames or None
                for captured in _decode(container, stream, self):
                    decoded += 1
                    yield captured
        except (av.error.FFmpegError, OSError) as error:
            raise SourceError(f"video {self._path}, frame {decoded + self.corrupt}: {_reason(error)}") from error
        if decoded == 0:
            raise SourceError(f"video {self._path}, frame 0: no frame of {self.corrupt} can be decoded; is it damaged?")
        found = decoded + self.corrupt
        if self.count and found < self.count * (1 - _MAY_MISS):
            raise SourceError(
                f"video {self._path}, frame {found}: the file announces {self.count} frames and ends here: it is cut "
                "off, copy it again"
            )


class Stream:
    """A live stream or device; it is opened again, with growing pauses, when it ends or fails."""

    live = True
    count: int | None = None

    def __init__(self, where: str, options: dict[str, str] | None = None) -> None:
        self._where = where
        self._format = (options or {}).get("format")
        self._options = {"rtsp_transport": "tcp", "stimeout": "5000000"} if where.startswith("rtsp") else {}
        self.corrupt = 0
        self.reconnects = 0

    def frames(self) -> Iterator[Captured]:
        """For ever. The first opening must succeed, so that a mistyped address is told at once."""
        began_s: float | None = None
        pause_s = 0.5
        while True:
            try:
                with av.open(
                    self._where, format=self._format, options=self._options, timeout=(10.0, 10.0)
                ) as container:
                    stream = _video_stream(container, self._where)
                    opened_s = time.monotonic()
                    began_s = began_s if began_s is not None else opened_s
                    for captured in _decode(container, stream, self):
                        pause_s = 0.5
                        yield Captured(captured.image, opened_s - began_s + captured.offset_s)
            except (av.error.FFmpegError, OSError) as error:
                if began_s is None:
                    raise SourceError(f"stream {_without_password(self._where)}: {_reason(error)}") from error
            self.reconnects += 1
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _decode(container: Any, stream: Any, source: Video | Stream) -> Iterator[Captured]:
    """Frames with the time since the first; a packet that cannot be decoded is counted and skipped."""
    stream.thread_type = "SLICE"  # threads of whole frames lose good frames beside a damaged one, and add latency
    first_s: float | None = None
    rate = float(stream.average_rate or 25)
    number = 0
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            source.corrupt += 1
            continue
        for frame in frames:
            if frame.is_corrupt:
                source.corrupt += 1
                continue
            at_s = float(frame.time) if frame.time is not None else number / rate
            first_s = at_s if first_s is None else first_s
            number += 1
            yield Captured(frame.to_ndarray(format="bgr24"), max(0.0, at_s - first_s))


def _video_stream(container: Any, where: str) -> Any:
    if not container.streams.video:
        raise SourceError(f"{where} has no video in it")
    return container.streams.video[0]


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _without_password(where: str) -> str:
    head, at, tail = where.rpartition("@")
    return f"{head.partition('://')[0]}://...@{tail}" if at else where
