"""Which side a moment of a camera stands on, so that no two frames that look alike are trained on and tested on.

Frames of one camera that are close in time are nearly the same picture. Time is therefore cut into stretches, each of
one side, with gaps between them that belong to none.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

TRAIN, VAL, TEST = "train", "val", "test"
LEAST_HELD = 0.25
_CYCLE_S = 60.0
_MOST_CYCLES = 8
# A stretch that is shorter than this holds too little to be worth a side of its own.
_LEAST_S = 2.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time of one camera, from `begin_s` to `end_s` (both included, Unix seconds), and its side."""

    camera_id: str
    begin_s: float
    end_s: float
    split: str


@dataclass(frozen=True, slots=True)
class Taken:
    """A frame whose side is settled: when its camera took it (Unix seconds), and the side."""

    camera_id: str
    at_s: float
    split: str


def stretches(
    spans: Mapping[str, tuple[float, float]], held_share: float, gap_s: float, rng: np.random.Generator
) -> list[Stretch]:
    """Cuts the time of every camera into sides, with at least `gap_s` between two of them.

    A long time becomes several cycles of held-out and training stretches; a short one two stretches; one that is
    shorter than the gap stands on one side whole, so that with several cameras about `held_share` of them is held out.

    Args:
        spans: first and last capture time of each camera, Unix seconds.
        held_share: wished share of time that is held out, 0..1; at least a quarter is.
        gap_s: frames closer than this stand on one side.
        rng: decides what stands where.
    """
    share = max(held_share, LEAST_HELD)
    cameras = [str(each) for each in rng.permutation(sorted(spans))]
    cut: list[Stretch] = []
    held = 0
    for i, camera_id in enumerate(cameras):
        begin_s, end_s = spans[camera_id]
        if end_s - begin_s >= gap_s + 2 * _LEAST_S:
            cut += _cycles(camera_id, begin_s, end_s, share, gap_s, rng, i)
            continue
        # The n-th whole camera is held out when the share has grown by one since the last.
        whole_held = math.floor((i + 1) * share) > held
        held += whole_held
        cut.append(Stretch(camera_id, begin_s, end_s, (TEST, VAL)[held % 2] if whole_held else TRAIN))
    return cut


def sides(
    cameras: Sequence[str], at_s: Floats, cut: Sequence[Stretch], taken: Sequence[Taken], gap_s: float
) -> list[str]:
    """The side of each frame; "" where it must stand on none.

    Args:
        cameras: of each frame, N.
        at_s: capture times, float64 (N,), Unix seconds.
        cut: as `stretches` made it.
        taken: frames whose side is settled; a frame within `gap_s` of one on another side stands on none.
        gap_s: frames closer than this stand on one side.
    """
    names = np.asarray(cameras, dtype=object)
    split = np.full(len(at_s), "", dtype=object)
    for stretch in cut:
        inside = (names == stretch.camera_id) & (at_s >= stretch.begin_s) & (at_s <= stretch.end_s)
        split[inside] = stretch.split
    for each in taken:
        clash = (names == each.camera_id) & (np.abs(at_s - each.at_s) <= gap_s) & (split != each.split)
        split[clash] = ""
    return [str(each) for each in split]


def _cycles(
    camera_id: str, begin_s: float, end_s: float, share: float, gap_s: float, rng: np.random.Generator, number: int
) -> list[Stretch]:
    count = int(min(max((end_s - begin_s) // max(_CYCLE_S, 4 * gap_s), 1), _MOST_CYCLES))
    length_s = (end_s - begin_s) / count
    flip = bool(rng.integers(2))
    cut: list[Stretch] = []
    for i in range(count):
        first_s, last_s = begin_s + i * length_s, begin_s + (i + 1) * length_s
        if i < count - 1:
            last_s -= gap_s
        held_s = max(share * (last_s - first_s - gap_s), _LEAST_S)
        if flip:
            cut.append(Stretch(camera_id, first_s, last_s - held_s - gap_s, TRAIN))
            cut += _held(camera_id, last_s - held_s, last_s, gap_s, number + i)
        else:
            cut += _held(camera_id, first_s, first_s + held_s, gap_s, number + i)
            cut.append(Stretch(camera_id, first_s + held_s + gap_s, last_s, TRAIN))
    return cut


def _held(camera_id: str, begin_s: float, end_s: float, gap_s: float, number: int) -> list[Stretch]:
    """Validation and test: side by side where there is room for both, else by turns."""
    half_s = (end_s - begin_s - gap_s) / 2
    if half_s >= 2 * _LEAST_S:
        return [
            Stretch(camera_id, begin_s, begin_s + half_s, VAL),
            Stretch(camera_id, end_s - half_s, end_s, TEST),
        ]
    return [Stretch(camera_id, begin_s, end_s, (TEST, VAL)[number % 2])]
