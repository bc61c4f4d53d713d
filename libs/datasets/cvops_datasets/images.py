"""An image with its labels, as every dataset, file format and training sees it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

Split: TypeAlias = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Runs:
    """A mask as COCO's run-length code: counts of pixels down the columns, beginning with those outside.

    Attributes:
        width, height: of the whole image, in px.
        counts: lengths of the runs; they sum to width * height.
    """

    width: int
    height: int
    counts: tuple[int, ...]


Polygons: TypeAlias = tuple[tuple[float, ...], ...]
"""Parts of one outline, each x, y, x, y, ... in px."""


@dataclass(frozen=True, slots=True)
class Box:
    """One object of an image, in px of the upright image.

    Attributes:
        class_name: what it is.
        left, top, width, height: in px.
        ignore: neither train on it nor count it.
        crowd: stands for many objects that cannot be told apart.
        id: unique in its image; empty: none.
        attributes: names and values, by name.
        track_id: of the same object over frames.
        segmentation: its outline or mask, where known; the box holds all of it.
        extra: JSON object of fields that a file format had and that have no place here; empty: none.
    """

    class_name: str
    left: float
    top: float
    width: float
    height: float
    ignore: bool = False
    crowd: bool = False
    id: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    track_id: int | None = None
    segmentation: Polygons | Runs | None = None
    extra: str = ""

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom in px."""
        return self.left, self.top, self.left + self.width, self.top + self.height

    @property
    def counts(self) -> bool:
        """Whether it is trained on and counted."""
        return not (self.ignore or self.crowd)


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image and what is in it; no boxes and no class mean: looked at, and nothing is there.

    Attributes:
        frame_id: identifies it; ids of frames sort by time.
        camera_id: that took it.
        captured_at: aware UTC.
        asset_sha256: of the encoded image as stored.
        asset_uri: of its object, below the root of the store.
        width, height: of the upright image, in px.
        orientation: EXIF orientation of the stored bytes, 1..8.
        split: the side it stands on, for ever.
        reason: why it was picked, e.g. "random" (unbiased) or "uncertain".
        episode_id: for which it was labelled; empty: none.
        purpose: "train" or "audit".
        slices: regression slices it belongs to, by name.
        boxes: its objects.
        class_name: of the image as a whole; empty: not classed.
        revision: of the label.
    """

    frame_id: str
    camera_id: str
    captured_at: datetime
    asset_sha256: str
    asset_uri: str
    width: int
    height: int
    orientation: int = 1
    split: Split = "train"
    reason: str = ""
    episode_id: str = ""
    purpose: str = ""
    slices: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()
    class_name: str = ""
    revision: int = 0


def counted(images: Mapping[str, int]) -> dict[str, int]:
    """Counts by split, in the order of the splits, without zeros."""
    return {split: images[split] for split in SPLITS if images.get(split)}
