"""A scenario as files: video or images, with truth as JSON lines and COCO."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import av
import cv2

from cvops_sim.arrays import Image
from cvops_sim.coco import coco_of, default_file_name
from cvops_sim.scenario import EPOCH_NS, Scenario
from cvops_sim.truth import FrameTruth
from cvops_sim.truth_file import TruthWriter

JPEG_QUALITY = 90


def export(scenario: Scenario, folder: Path, *, video: bool, on_frame: Callable[[], None] = lambda: None) -> None:
    """Writes every frame of a scenario.

    For each camera `<camera>.mp4` (a further part when its picture changes size) or `<camera>/<sequence>.jpg`; beside
    them `truth.jsonl` and `coco.json`. The same scenario gives the same files.

    Args:
        scenario: what to write.
        folder: where; made when missing.
        video: video files, else images.
        on_frame: called after each frame.
    """
    folder.mkdir(parents=True, exist_ok=True)
    truths: list[FrameTruth] = []
    with TruthWriter(folder / "truth.jsonl") as writer:
        for mounted in scenario.cameras:
            camera = scenario.play(mounted, EPOCH_NS)
            with _Video(folder, mounted.camera_id, scenario.fps) as film:
                for sequence in range(scenario.frames):
                    frame = camera.frame(sequence)
                    on_frame()
                    if frame is None:
                        continue
                    writer.write(frame.truth)
                    truths.append(frame.truth)
                    if video:
                        film.add(frame.picture, sequence)
                    else:
                        _save(frame.picture, folder / default_file_name(frame.truth))
    (folder / "coco.json").write_text(json.dumps(coco_of(truths)))


def _save(picture: Image, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    path.write_bytes(data.tobytes())


class _Video:
    """The video files of one camera; time stamps are those of the scenario, so lost frames leave gaps."""

    def __init__(self, folder: Path, camera_id: str, fps: float) -> None:
        self._folder, self._camera_id, self._fps = folder, camera_id, fps
        self._container: Any = None
        self._stream: Any = None
        self._parts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._finish()

    def add(self, picture: Image, sequence: int) -> None:
        """Appends a frame."""
        height, width = picture.shape[:2]
        if self._stream is None or (self._stream.width, self._stream.height) != (width, height):
            self._finish()
            self._begin(width, height)
        frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
        frame.pts = sequence
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    def _begin(self, width: int, height: int) -> None:
        self._parts += 1
        part = "" if self._parts == 1 else f"-{self._parts}"
        self._container = av.open(str(self._folder / f"{self._camera_id}{part}.mp4"), "w")
        rate = self._rate()
        self._stream = self._container.add_stream("libx264", rate=rate, options={"crf": "18", "preset": "veryfast"})
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        self._stream.codec_context.time_base = 1 / rate

    def _rate(self) -> Any:
        return Fraction(self._fps).limit_denominator(1001)

    def _finish(self) -> None:
        if self._container is not None:
            for packet in self._stream.encode(None):
                self._container.mux(packet)
            self._container.close()
            self._container = self._stream = None
