"""What is really in a frame: every moving object, how the camera is turned, and which effects act.

Boxes are exact: they bound the pixels of an object's silhouette, as if nothing stood in front of it, clipped to the
frame. A scorer leaves out what no one could be asked to find (`ObjectTruth.ignored`).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

LEAST_HEIGHT_PX = 20.0
"""Objects lower than this in a picture 360 px high are too small to count; other heights in proportion."""
LEAST_VISIBILITY = 0.30
LEAST_TRANSMISSION = 0.10

Matrix = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]


class Ignored(StrEnum):
    """Why a scorer leaves an object out."""

    COUNTS = ""
    """It counts."""
    SMALL = "small"
    """Its box is lower than `LEAST_HEIGHT_PX`."""
    HIDDEN = "hidden"
    """Less than `LEAST_VISIBILITY` of it is seen."""
    FOG = "fog"
    """Less than `LEAST_TRANSMISSION` of its light comes through the fog."""


@dataclass(frozen=True)
class ObjectTruth:
    """An object in a frame.

    Attributes:
        track_id: its identity, the same in every frame and at every camera of its place.
        class_name: one of `cvops_sim.objects.kinds.CLASSES`.
        xyxy: left, top, right, bottom in pixel edges (right and bottom exclusive): the silhouette before occlusion,
            clipped to the frame.
        visibility: pixels that are seen of all pixels of the silhouette, those beyond the frame's border included.
        distance_m: along the ground.
        ignored: "" when it counts, else "small", "hidden" or "fog".
    """

    track_id: str
    class_name: str
    xyxy: tuple[int, int, int, int]
    visibility: float
    distance_m: float
    ignored: str = Ignored.COUNTS.value


@dataclass(frozen=True)
class ActiveEffect:
    """An effect at work in a frame, with its magnitude at that moment, in the unit of its kind."""

    name: str
    magnitude: float


@dataclass(frozen=True)
class FrameTruth:
    """The whole truth of one frame.

    Attributes:
        camera_id: whose frame it is.
        captured_at_ns: unix time of the capture.
        sequence: number of the frame in its stream.
        width: picture width in px.
        height: picture height in px.
        objects: farthest first.
        homography: takes pixels of the camera's nominal pose to pixels of this frame.
        effects: those at work.
    """

    camera_id: str
    captured_at_ns: int
    sequence: int
    width: int
    height: int
    objects: tuple[ObjectTruth, ...]
    homography: Matrix
    effects: tuple[ActiveEffect, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The truth in plain JSON types; `from_json` gives an equal value back."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "FrameTruth":
        """The truth that `to_json` wrote.

        Raises:
            KeyError: a field is missing.
        """
        rows = [(float(row[0]), float(row[1]), float(row[2])) for row in values["homography"]]
        return cls(
            camera_id=values["camera_id"],
            captured_at_ns=int(values["captured_at_ns"]),
            sequence=int(values["sequence"]),
            width=int(values["width"]),
            height=int(values["height"]),
            objects=tuple(_object(entry) for entry in values["objects"]),
            homography=(rows[0], rows[1], rows[2]),
            effects=tuple(ActiveEffect(entry["name"], float(entry["magnitude"])) for entry in values["effects"]),
        )


def _object(entry: Mapping[str, Any]) -> ObjectTruth:
    left, top, right, bottom = (int(edge) for edge in entry["xyxy"])
    return ObjectTruth(
        track_id=entry["track_id"],
        class_name=entry["class_name"],
        xyxy=(left, top, right, bottom),
        visibility=float(entry["visibility"]),
        distance_m=float(entry["distance_m"]),
        ignored=Ignored(entry["ignored"]).value,
    )


def why_ignored(height_px: float, frame_height_px: int, visibility: float, transmission: float) -> Ignored:
    """Whether a scorer counts an object, and if not, why.

    Args:
        height_px: of its box.
        frame_height_px: of the picture.
        visibility: share of its pixels that are seen.
        transmission: share of its light that comes through the fog.
    """
    if height_px * 360 < LEAST_HEIGHT_PX * frame_height_px:
        return Ignored.SMALL
    if visibility < LEAST_VISIBILITY:
        return Ignored.HIDDEN
    return Ignored.FOG if transmission < LEAST_TRANSMISSION else Ignored.COUNTS
