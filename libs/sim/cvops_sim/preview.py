"""Contact sheets: the cameras of a scenario, or every effect beside the picture without it."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from cvops_sim.arrays import Image, rgb
from cvops_sim.effects.kind import ActsOn
from cvops_sim.effects.registry import EFFECTS
from cvops_sim.fleet import mount
from cvops_sim.scenario import EPOCH_NS, Scenario
from cvops_sim.simcam import Clock, SimCamera, SimFrame
from cvops_sim.timeline import Occurrence
from cvops_sim.truth import FrameTruth

COLUMNS = 4
SHOWN = tuple(kind for kind in EFFECTS.values() if kind.acts_on in (ActsOn.WORLD, ActsOn.LENS, ActsOn.IMAGE))
"""Effects that change the picture."""
CAPTION_PX = 22
_SHOWN_FRAME = 300
_INK, _PAPER, _BOX, _FAINT = rgb(235, 235, 235), rgb(30, 30, 30), rgb(60, 220, 90), rgb(150, 150, 150)
_MAGNITUDES = {"yaw": 5.0, "pitch": 4.0, "roll": 5.0}
"""Magnitudes for the sheet of effects, where 1 would show little."""


def sheet_of_scenario(scenario: Scenario, at_s: float, *, boxes: bool, on_tile: Callable[[], None]) -> Image:
    """Every camera at a moment, uint8 BGR."""
    tiles = []
    sequence = min(scenario.frames - 1, round(at_s * scenario.fps))
    for mounted in scenario.cameras:
        frame = scenario.play(mounted, EPOCH_NS).frame(sequence)
        on_tile()
        names = [effect.name for effect in frame.truth.effects] if frame is not None else ["frame lost"]
        tiles.append(_tile(frame, ", ".join([mounted.camera_id, *names]), boxes))
    return _sheet(tiles)


def sheet_of_effects(seed: int, *, boxes: bool, on_tile: Callable[[], None]) -> Image:
    """One camera, and it again under each effect that changes the picture, uint8 BGR."""
    mounted = mount(seed, "camera", 0, kind=None, firmware="1.0", size_wh=(640, 360))
    camera = SimCamera(mounted, [], Clock(5.0, EPOCH_NS, hour=9.0))
    tiles = [_tile(camera.frame(_SHOWN_FRAME), "nothing", boxes)]
    for kind in SHOWN:
        magnitude = _MAGNITUDES.get(kind.name, 1.0)
        frame = camera.under([Occurrence(kind, magnitude)]).frame(_SHOWN_FRAME)
        tiles.append(_tile(frame, f"{kind.name} {magnitude:g}", boxes))
        on_tile()
    return _sheet(tiles)


def _tile(frame: SimFrame | None, caption: str, boxes: bool, width: int = 480, height: int = 270) -> Image:
    tile = np.empty((height + CAPTION_PX, width, 3), np.uint8)
    tile[:] = _PAPER
    if frame is not None:
        picture = frame.picture
        scale = min(width / picture.shape[1], height / picture.shape[0])
        size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        small = with_boxes(small, frame.truth) if boxes else small
        left = (width - size[0]) // 2
        tile[CAPTION_PX : CAPTION_PX + size[1], left : left + size[0]] = small
    cv2.putText(tile, caption, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _INK.tolist(), 1, cv2.LINE_AA)
    return tile


def with_boxes(picture: Image, truth: FrameTruth) -> Image:
    """A picture of any size with the true boxes of its frame; faint ones do not count."""
    drawn = picture.copy()
    across, down = picture.shape[1] / truth.width, picture.shape[0] / truth.height
    for thing in truth.objects:
        left, right = (round(edge * across) for edge in thing.xyxy[::2])
        top, bottom = (round(edge * down) for edge in thing.xyxy[1::2])
        colour = _FAINT if thing.ignored else _BOX
        cv2.rectangle(drawn, (left, top), (right - 1, bottom - 1), colour.tolist(), 1)
        if not thing.ignored:
            place = (left, max(10, top - 3))
            cv2.putText(drawn, thing.class_name, place, cv2.FONT_HERSHEY_SIMPLEX, 0.35, colour.tolist(), 1, cv2.LINE_AA)
    return drawn


def _sheet(tiles: Sequence[Image]) -> Image:
    columns = min(COLUMNS, len(tiles))
    empty = np.empty_like(tiles[0])
    empty[:] = _PAPER
    filled = [*tiles, *[empty] * (-len(tiles) % columns)]
    return np.vstack([np.hstack(filled[row : row + columns]) for row in range(0, len(filled), columns)])
