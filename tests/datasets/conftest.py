"""Labelled images of all kinds, from one seed."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from cvops_common.objects import Objects
from cvops_datasets.images import SPLITS, Box, LabelledImage, Runs

CLASSES = ("car", "van", "person")


def some_images(count: int, seed: int = 5) -> list[LabelledImage]:
    """Images of two cameras, in no order, with boxes, masks, attributes and slices."""
    rng = np.random.default_rng(seed)
    return [_image(rng, int(i)) for i in rng.permutation(count)]


def _image(rng: np.random.Generator, i: int) -> LabelledImage:
    return LabelledImage(
        frame_id=f"{i:032x}",
        camera_id=f"north-{i % 2}",
        captured_at=datetime(2026, 11, 23, tzinfo=UTC) + timedelta(seconds=i, microseconds=i),
        asset_sha256=f"{i:064x}",
        asset_uri=f"assets/00/{i:064x}",
        width=640,
        height=360,
        split=SPLITS[i % 3],
        reason="random",
        episode_id="e1" if i % 2 else "",
        slices=("snow", "night") if i % 5 == 0 else (),
        boxes=tuple(_box(rng, k) for k in range(i % 4)),
        revision=1,
    )


def _box(rng: np.random.Generator, k: int) -> Box:
    left, top = rng.uniform(0, 300, 2).round(3)
    outline = ((left, top, left + 5, top, left, top + 5), (left, top, left + 1.5, top, left, top + 1))
    return Box(
        CLASSES[k % 3],
        float(left),
        float(top),
        20.25,
        10.5,
        ignore=k == 1,
        crowd=k == 2,
        id=str(k),
        attributes=(("colour", "red"), ("note", 'grün, "x"')) if k else (),
        track_id=k or None,
        segmentation=(None, outline, Runs(640, 360, (10, 5, 640 * 360 - 15)))[k % 3],
        extra='{"area": 12.5}' if k == 2 else "",
    )


@pytest.fixture
def objects(objects_url: str) -> Objects:
    return Objects(objects_url)
