"""Annotations of the contracts and objects of datasets: the same in two forms, without loss."""

from collections.abc import Iterable
from datetime import UTC

from cvops_datasets.images import SPLITS, Box, LabelledImage, Polygons, Runs, Split
from cvops_protos.v1.labeling_pb2 import Annotation, Label

# Where fields of a file travel that have no place in an annotation.
_EXTRA = "cvops.extra"


def box_of(annotation: Annotation) -> Box | None:
    """The object of an annotation; None for what has no extent: a class of the image, a point, a line."""
    shape = annotation.WhichOneof("shape")
    segmentation: Polygons | Runs | None = None
    if shape == "box":
        box = annotation.box
        edges = (box.left, box.top, box.width, box.height)
        if annotation.outline:
            segmentation = tuple(tuple(part.xy) for part in annotation.outline)
        elif annotation.HasField("area"):
            segmentation = _runs(annotation.area)
    elif shape == "polygon":
        xy = tuple(annotation.polygon.xy)
        left, top = min(xy[::2]), min(xy[1::2])
        edges, segmentation = (left, top, max(xy[::2]) - left, max(xy[1::2]) - top), (xy,)
    elif shape == "mask":
        segmentation = _runs(annotation.mask)
        edges = mask_edges(segmentation)
    else:
        return None
    attributes = dict(annotation.attributes)
    extra = attributes.pop(_EXTRA, "")
    left, top, width, height = edges
    return Box(
        annotation.class_name,
        left,
        top,
        width,
        height,
        ignore=annotation.ignore,
        crowd=annotation.crowd,
        id=annotation.id,
        attributes=tuple(sorted(attributes.items())),
        track_id=annotation.track_id if annotation.HasField("track_id") else None,
        segmentation=segmentation,
        extra=extra,
    )


def annotation_of(box: Box) -> Annotation:
    """The annotation of an object; `box_of` makes the same object of it."""
    annotation = Annotation(
        id=box.id,
        class_name=box.class_name,
        box=Annotation.Box(left=box.left, top=box.top, width=box.width, height=box.height),
        attributes=dict(box.attributes) | ({_EXTRA: box.extra} if box.extra else {}),
        track_id=box.track_id,
        ignore=box.ignore,
        crowd=box.crowd,
    )
    if isinstance(box.segmentation, Runs):
        runs = box.segmentation
        annotation.area.CopyFrom(Annotation.Mask(width=runs.width, height=runs.height, counts=runs.counts))
    elif box.segmentation is not None:
        annotation.outline.extend(Annotation.Polygon(xy=part) for part in box.segmentation)
    return annotation


def class_of(annotations: Iterable[Annotation]) -> str:
    """The class of the image itself; empty: not classed."""
    return next((each.class_name for each in annotations if each.WhichOneof("shape") is None), "")


def image_of(label: Label, slices: Iterable[str] = ()) -> LabelledImage:
    """A label as datasets see it.

    Args:
        label: of one image.
        slices: regression slices that the image belongs to.
    """
    boxes = [box_of(each) for each in label.annotations]
    return LabelledImage(
        label.frame_id,
        label.camera_id,
        label.captured_at.ToDatetime(UTC),
        label.asset_sha256,
        label.asset_uri,
        label.width,
        label.height,
        label.orientation or 1,
        _split(label.split),
        label.reason,
        label.episode_id,
        label.purpose,
        tuple(sorted(slices)),
        tuple(box for box in boxes if box is not None),
        class_of(label.annotations),
        label.revision,
    )


def mask_edges(runs: Runs) -> tuple[float, float, float, float]:
    """Left, top, width, height of the pixels inside; runs go down the columns."""
    left, right, top, bottom, at = runs.width, 0, runs.height, 0, 0
    for number, count in enumerate(runs.counts):
        if number % 2 and count:
            first, last = at, at + count - 1
            left, right = min(left, first // runs.height), max(right, last // runs.height)
            several = first // runs.height != last // runs.height
            top = 0 if several else min(top, first % runs.height)
            bottom = runs.height - 1 if several else max(bottom, last % runs.height)
        at += count
    return float(left), float(top), float(right - left + 1), float(bottom - top + 1)


def _runs(mask: Annotation.Mask) -> Runs:
    return Runs(mask.width, mask.height, tuple(mask.counts))


def _split(name: str) -> Split:
    return next((each for each in SPLITS if each == name), "train")
