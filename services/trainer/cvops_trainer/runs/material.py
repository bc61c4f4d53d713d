"""From a dataset version to examples: fetches each image, proves it, decodes it, sorts it into its set."""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from cvops_bundles.spec import InputSpec
from cvops_common.errors import BadImage, NotFound
from cvops_common.objects import Objects
from cvops_datasets.images import LabelledImage
from cvops_datasets.release import Dataset
from cvops_training.errors import TrainingFailed
from cvops_training.examples import Example, example_of
from cvops_training.fit import Data
from cvops_vision.decode import decode_rgb
from cvops_vision.probe import probe

_AT_ONCE = 8
_MOST_CORRUPT = 0.05
_LEAST_TEST = 4


@dataclass(frozen=True, eq=False)
class Material:
    """What a run learns from.

    Attributes:
        data: examples in their sets.
        classes: names by id.
        corrupt: images that could not be used, each with the reason.
    """

    data: Data
    classes: tuple[str, ...]
    corrupt: tuple[str, ...]


async def material_of(
    objects: Objects, dataset: Dataset, episode_id: str, to: InputSpec, old: Dataset | None = None
) -> Material:
    """Reads every labelled image of a dataset.

    New are the labels of the episode (of none: all), the others are replayed; images held out judge. `old` is another
    dataset, whose images are replayed and judge what was known; images that both have count once.

    Raises:
        TrainingFailed: too few labels are held out, or more than 5 % of the images are corrupt.
        Unavailable: the object store is away.
    """
    classes = dataset.manifest.classes
    sets: dict[str, list[Example]] = defaultdict(list)
    corrupt: list[str] = []
    gate = asyncio.Semaphore(_AT_ONCE)

    async def read(label: LabelledImage, new: bool) -> tuple[str, Example | str]:
        async with gate:
            try:
                data = await objects.get(label.asset_uri)
                return _set_of(label, new), await asyncio.to_thread(_example, data, label, classes, to)
            except (BadImage, NotFound) as error:
                return "", f"{label.frame_id}: {error}"

    used = [(label, not episode_id or label.episode_id == episode_id) for label in dataset.images]
    known = {label.asset_sha256 for label in dataset.images}
    used += [(label, False) for label in old.images if label.asset_sha256 not in known] if old is not None else []
    used = [(label, new) for label, new in used if label.purpose != "audit"]
    for name, found in await asyncio.gather(*(read(label, new) for label, new in used)):
        if isinstance(found, str):
            corrupt.append(found)
        else:
            sets[name].append(found)
    if len(corrupt) > _MOST_CORRUPT * len(used):
        raise TrainingFailed(
            f"{len(corrupt)} of {len(used)} images cannot be used, e.g. {corrupt[0]}: repair them or release the "
            "dataset without them"
        )
    if len(sets["new_test"]) < _LEAST_TEST:
        raise TrainingFailed(
            f"{len(sets['new_test'])} new images are held out to judge by: expected {_LEAST_TEST} or more; label more"
        )
    names = ("new", "replay", "new_test", "clean_test")
    return Material(Data(*(sets[name] for name in names)), classes, tuple(corrupt))


def _set_of(label: LabelledImage, new: bool) -> str:
    held_out = label.split != "train"
    return {(True, False): "new", (True, True): "new_test", (False, False): "replay", (False, True): "clean_test"}[
        new, held_out
    ]


def _example(data: bytes, label: LabelledImage, classes: Sequence[str], to: InputSpec) -> Example:
    found = hashlib.sha256(data).hexdigest()
    if found != label.asset_sha256:
        raise BadImage(f"asset {label.asset_uri} was changed: expected sha256 {label.asset_sha256}, found {found}")
    image = decode_rgb(data, probe(data), min_width=to.width, min_height=to.height)
    return example_of(image, label, classes, to)
