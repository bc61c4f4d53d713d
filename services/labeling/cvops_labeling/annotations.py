"""Annotations: what may be said of an image."""

import math
from collections.abc import Collection, Iterable, Sequence
from hashlib import sha256

from cvops_common.errors import BadArgument
from cvops_protos.v1.labeling_pb2 import Annotation

_MOST = 5_000
_MOST_POINTS = 20_000
# A box may stand out of its image by rounding, px.
_SLACK_PX = 1.0


def check_annotations(
    annotations: Sequence[Annotation], width: int, height: int, classes: Collection[str]
) -> list[Annotation]:
    """A copy of annotations that can be used, each with an id.

    Args:
        annotations: of one image; none: nothing is there.
        width: of the upright image, px.
        height: likewise.
        classes: of the project; empty: any.

    Raises:
        BadArgument: names the annotation, what was expected and what was found.
    """
    if len(annotations) > _MOST:
        raise BadArgument(f"{len(annotations)} annotations are too many for one image: expected at most {_MOST}")
    checked, ids = [], set()
    for i, given in enumerate(annotations):
        annotation = Annotation()
        annotation.CopyFrom(given)
        annotation.id = annotation.id or str(i + 1)
        name = f"annotation {i + 1} ({annotation.id[:40]})"
        if annotation.id in ids:
            raise BadArgument(f"{name}: its id stands there twice; give each its own, or none")
        ids.add(annotation.id)
        _check_class(annotation, classes, name)
        _check_shape(annotation, width, height, name)
        checked.append(annotation)
    if sum(each.WhichOneof("shape") is None for each in checked) > 1:
        raise BadArgument("two annotations class the image itself: expected one; remove the other")
    return checked


def content_of(annotations: Iterable[Annotation], status: int) -> str:
    """The same for labels that say the same."""
    digest = sha256(str(status).encode())
    for each in annotations:
        digest.update(each.SerializeToString(deterministic=True))
    return digest.hexdigest()


def _check_class(annotation: Annotation, classes: Collection[str], name: str) -> None:
    if not annotation.class_name:
        raise BadArgument(f"{name}: names no class; expected one of {', '.join(classes) or 'your own'}")
    if classes and annotation.class_name not in classes:
        raise BadArgument(
            f"{name}: class {annotation.class_name[:80]!r} is not in the project, expected one of "
            f"{', '.join(list(classes)[:20])}; add it by `cvops apply`, or choose another"
        )


def _check_shape(annotation: Annotation, width: int, height: int, name: str) -> None:
    shape = annotation.WhichOneof("shape")
    if shape == "box":
        box = annotation.box
        _check_finite((box.left, box.top, box.width, box.height), name)
        if box.width <= 0 or box.height <= 0:
            raise BadArgument(f"{name}: a box of {box.width:g}x{box.height:g} px holds nothing; draw it anew")
        _check_inside((box.left, box.top, box.left + box.width, box.top + box.height), width, height, name)
    for part in [*annotation.outline, *([annotation.polygon] if shape == "polygon" else [])]:
        _check_points(part.xy, 3, width, height, name)
    if shape == "polyline":
        _check_points(annotation.polyline.xy, 2, width, height, name)
    if shape == "point":
        _check_points((annotation.point.x, annotation.point.y), 1, width, height, name)
    for mask in [annotation.mask] * (shape == "mask") + [annotation.area] * annotation.HasField("area"):
        if (mask.width, mask.height) != (width, height) or sum(mask.counts) != width * height:
            raise BadArgument(
                f"{name}: a mask of {mask.width}x{mask.height} px whose runs sum to {sum(mask.counts)}, expected "
                f"{width}x{height} and {width * height}; encode it anew"
            )
        if not any(mask.counts[1::2]):
            raise BadArgument(f"{name}: the mask is empty; draw it anew, or leave it out")


def _check_points(xy: Sequence[float], least: int, width: int, height: int, name: str) -> None:
    if len(xy) % 2 or not 2 * least <= len(xy) <= 2 * _MOST_POINTS:
        raise BadArgument(f"{name}: {len(xy)} coordinates, expected x, y, ... of {least} to {_MOST_POINTS} points")
    _check_finite(xy, name)
    _check_inside((min(xy[::2]), min(xy[1::2]), max(xy[::2]), max(xy[1::2])), width, height, name)


def _check_finite(values: Sequence[float], name: str) -> None:
    if not all(math.isfinite(value) for value in values):
        raise BadArgument(f"{name}: a coordinate is not a number ({', '.join(map(str, values))[:80]}); draw it anew")


def _check_inside(xyxy: tuple[float, float, float, float], width: int, height: int, name: str) -> None:
    left, top, right, bottom = xyxy
    if left < -_SLACK_PX or top < -_SLACK_PX or right > width + _SLACK_PX or bottom > height + _SLACK_PX:
        raise BadArgument(
            f"{name}: from ({left:g}, {top:g}) to ({right:g}, {bottom:g}) px lies outside the upright image of "
            f"{width}x{height} px; clip it"
        )
