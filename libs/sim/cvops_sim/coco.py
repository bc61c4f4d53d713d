"""Truth in the COCO format."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from cvops_sim.objects.kinds import CLASSES
from cvops_sim.truth import FrameTruth


def default_file_name(truth: FrameTruth) -> str:
    """Where the image of a frame lies: "<camera>/<sequence>.jpg"."""
    return f"{truth.camera_id}/{truth.sequence:06d}.jpg"


def coco_of(
    truths: Iterable[FrameTruth],
    *,
    start_ns: int | None = None,
    end_ns: int | None = None,
    classes: Sequence[str] = CLASSES,
    file_name: Callable[[FrameTruth], str] = default_file_name,
) -> dict[str, Any]:
    """A COCO dataset of frames captured from `start_ns` on and before `end_ns` (None: no limit).

    Objects that do not count are crowds (`iscrowd` 1), which evaluation neither asks for nor holds against anybody; so
    tools that know COCO score as the simulator does. `attributes` hold track id, visibility, distance and the reason.

    Args:
        truths: frames, of any cameras.
        start_ns: nanoseconds since the epoch.
        end_ns: likewise.
        classes: names by category id, from 1 as COCO counts.
        file_name: of the image of a frame.
    """
    categories = {name: number for number, name in enumerate(classes, 1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for truth in truths:
        if (start_ns is not None and truth.captured_at_ns < start_ns) or (
            end_ns is not None and truth.captured_at_ns >= end_ns
        ):
            continue
        image_id = len(images) + 1
        images.append(
            {
                "id": image_id,
                "file_name": file_name(truth),
                "width": truth.width,
                "height": truth.height,
                "camera_id": truth.camera_id,
                "captured_at_ns": truth.captured_at_ns,
                "effects": {effect.name: effect.magnitude for effect in truth.effects},
            }
        )
        for thing in truth.objects:
            if thing.class_name not in categories:
                continue
            left, top, right, bottom = thing.xyxy
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": categories[thing.class_name],
                    "bbox": [left, top, right - left, bottom - top],
                    "area": (right - left) * (bottom - top),
                    "iscrowd": int(bool(thing.ignored)),
                    "attributes": {
                        "track_id": thing.track_id,
                        "visibility": thing.visibility,
                        "distance_m": thing.distance_m,
                        "ignored": thing.ignored,
                    },
                }
            )
    return {
        "info": {"description": "simulated road cameras with exact truth"},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for name, number in categories.items()],
    }
