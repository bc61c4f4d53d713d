"""Published corruptions of real pictures: input statistics find each severity, and clean loops are quiet."""

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from cvops_monitoring.stream.alarm import AlarmState
from cvops_monitoring.stream.frames import Frames
from cvops_monitoring.stream.regimes import CameraModelMonitor
from cvops_monitoring.stream.settings import MonitorSettings
from cvops_vision.statistics import image_stats

SETTINGS = MonitorSettings(reference_frames=512, reference_span_s=0)
BEGIN_S = 1.7e9
NAMED = {
    "brightness": {"brightness"},
    "defocus_blur": {"sharpness"},
    "gaussian_noise": {"sharpness", "entropy"},
    "jpeg_compression": {"saturation", "sharpness", "cast_a", "cast_b", "entropy", "brightness_spread"},
}


def inputs(path: Path) -> list[float]:
    image = np.ascontiguousarray(cv2.imread(str(path))[:, :, ::-1])
    height, width = image.shape[:2]
    s = image_stats(image, n_bytes=1, width=width, height=height)
    return [
        width, height, s.ratio, width * height, s.brightness_mean, s.brightness_std, s.contrast, s.saturation,
        s.sharpness, s.entropy, s.cast_a, s.cast_b, np.nan,
    ]  # fmt: skip


def looped(rows: list[list[float]], n: int, begin_s: float, rng: np.random.Generator) -> Frames:
    """The pictures again and again, in random order, one a second."""
    none = np.full(n, np.nan)
    return Frames(
        begin_s + np.arange(n, dtype=np.float64),
        np.zeros((n, 0), np.float32),
        none,
        np.array(rows)[rng.integers(0, len(rows), n)],
        np.zeros((n, 0), np.int64),
        none,
        ("",) * n,
    )


def pictures(shared_data: Path, clip: str) -> Iterator[tuple[str, int, Path]]:
    folder = shared_data / "drift" / "corruptions"
    for entry in json.loads((folder / "index.json").read_text()):
        if clip in entry["video"]:
            yield entry["corruption"], int(entry["severity"] or 0), folder / entry["file"]


@pytest.mark.parametrize("clip", ["traffic_road_a", "person_room_a"])
def test_corruptions_are_found_and_clean_pictures_are_not(shared_data: Path, clip: str, rng: np.random.Generator):
    rows: dict[tuple[str, int], list[list[float]]] = {}
    for corruption, severity, path in pictures(shared_data, clip):
        rows.setdefault((corruption, severity), []).append(inputs(path))
    clean = next(value for (corruption, _), value in rows.items() if corruption not in NAMED)
    for (corruption, severity), corrupted in rows.items():
        camera = CameraModelMonitor(SETTINGS, 1)
        assert camera.push(looped(clean, 3000, BEGIN_S, rng)) == []
        if corruption not in NAMED:
            continue
        changes = camera.push(looped(corrupted, 120, BEGIN_S + 3000, rng))
        opened = {
            change.signal: change.at_s - BEGIN_S - 3000 for change in changes if change.state is AlarmState.OPENED
        }
        assert opened, f"{corruption} {severity} was not found"
        if severity >= 3:
            assert NAMED[corruption] & opened.keys(), f"{corruption} {severity}: {opened}"
            assert min(opened.values()) < 40
