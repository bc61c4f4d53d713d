"""Labelled images as rows of Parquet. The same images are the same bytes."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cvops_datasets.images import Box, LabelledImage, Runs

_RUNS = pa.struct([("width", pa.int32()), ("height", pa.int32()), ("counts", pa.list_(pa.int64()))])
_BOX = pa.struct(
    [
        ("class_name", pa.string()),
        ("left", pa.float64()),
        ("top", pa.float64()),
        ("width", pa.float64()),
        ("height", pa.float64()),
        ("ignore", pa.bool_()),
        ("crowd", pa.bool_()),
        ("id", pa.string()),
        ("attributes", pa.map_(pa.string(), pa.string())),
        ("track_id", pa.int64()),
        ("polygons", pa.list_(pa.list_(pa.float64()))),
        ("mask", _RUNS),
        ("extra", pa.string()),
    ]
)
SCHEMA = pa.schema(
    [
        ("frame_id", pa.string()),
        ("camera_id", pa.string()),
        ("captured_at", pa.timestamp("us", tz="UTC")),
        ("asset_sha256", pa.string()),
        ("asset_uri", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("orientation", pa.int8()),
        ("split", pa.string()),
        ("reason", pa.string()),
        ("episode_id", pa.string()),
        ("purpose", pa.string()),
        ("slices", pa.list_(pa.string())),
        ("boxes", pa.list_(_BOX)),
        ("class_name", pa.string()),
        ("revision", pa.int64()),
    ]
)


def to_parquet(images: Sequence[LabelledImage]) -> bytes:
    """A Parquet file with one row an image, in the given order."""
    table = pa.Table.from_pylist([_row(image) for image in images], schema=SCHEMA)
    out = BytesIO()
    pq.write_table(table, out, compression="zstd", version="2.6", data_page_version="1.0", row_group_size=20_000)
    return out.getvalue()


def from_parquet(data: bytes) -> list[LabelledImage]:
    """The images of a file that `to_parquet` made, in its order.

    Raises:
        ValueError: it is no such file.
    """
    table = pq.read_table(BytesIO(data))
    if not table.schema.equals(SCHEMA):
        raise ValueError(f"columns are {table.schema.names}, expected {SCHEMA.names}")
    return [_image(row) for row in table.to_pylist()]


def _row(image: LabelledImage) -> dict[str, Any]:
    row = {name: getattr(image, name) for name in SCHEMA.names if name != "boxes"}
    return row | {"slices": sorted(image.slices), "boxes": [_box_row(box) for box in image.boxes]}


def _box_row(box: Box) -> dict[str, Any]:
    row = asdict(box) | {"attributes": sorted(box.attributes)}
    shape = row.pop("segmentation")
    runs = isinstance(box.segmentation, Runs)
    return row | {"polygons": None if runs else shape, "mask": shape if runs else None}


def _image(row: dict[str, Any]) -> LabelledImage:
    row["captured_at"] = row["captured_at"].astimezone(UTC)
    row["slices"] = tuple(row["slices"])
    row["boxes"] = tuple(_box(box) for box in row["boxes"])
    return LabelledImage(**row)


def _box(row: dict[str, Any]) -> Box:
    polygons, mask = row.pop("polygons"), row.pop("mask")
    row["attributes"] = tuple(tuple(pair) for pair in row["attributes"])
    if mask is not None:
        row["segmentation"] = Runs(mask["width"], mask["height"], tuple(mask["counts"]))
    elif polygons is not None:
        row["segmentation"] = tuple(tuple(part) for part in polygons)
    return Box(**row)
