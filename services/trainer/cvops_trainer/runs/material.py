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
from cvops_training.fit import Data, HeldOut
from cvops_vision.decode import decode_rgb
from cvops_vision.probe import probe

_AT_ONCE = 8
_MOST_CORRUPT = 0.05
_LEAST_TEST = 4
_HELD_OUT = ("new_test", "clean_test")


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
    objects: Objects,
    dataset: Dataset,
    episode_id: str,
    to: InputSpec,
    old: Dataset | None = None,
    champion: InputSpec | None = None,
) -> Material:
    """Reads every labelled image of a dataset, and brings it to the input `to`.

    New are the labels of the episode (of none: all), the others are replayed; images held out judge. `old` is another
    dataset, whose images are replayed and judge what was known; images that both have count once. What judges is
    brought to the input of the champion as well, when that is another one.

    Raises:
        TrainingFailed: too few labels are held out, or more than 5 % of the images are corrupt.
        Unavailable: the object store is away.
    """
    classes = dataset.manifest.classes
    sets: dict[str, list[list[Example]]] = defaultdict(list)
    corrupt: list[str] = []
    gate = asyncio.Semaphore(_AT_ONCE)

    async def read(label: LabelledImage, new: bool) -> tuple[str, list[Example] | str]:
        name = _set_of(label, new)
        inputs = [to, champion] if name in _HELD_OUT and champion not in (None, to) else [to]
        async with gate:
            try:
                data = await objects.get(label.asset_uri)
                return name, await asyncio.to_thread(_examples, data, label, classes, inputs)
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
    ours = {name: [each[0] for each in sets[name]] for name in ("new", "replay", *_HELD_OUT)}
    theirs = HeldOut(*([each[-1] for each in sets[name]] for name in _HELD_OUT))
    return Material(Data(**ours, champion=theirs), classes, tuple(corrupt))


def _set_of(label: LabelledImage, new: bool) -> str:
    held_out = label.split != "train"
    return {(True, False): "new", (True, True): "new_test", (False, False): "replay", (False, True): "clean_test"}[
        new, held_out
    ]


def _examples(data: bytes, label: LabelledImage, classes: Sequence[str], inputs: Sequence[InputSpec]) -> list[Example]:
    found = hashlib.sha256(data).hexdigest()
    if found != label.asset_sha256:
        raise BadImage(f"asset {label.asset_uri} was changed: expected sha256 {label.asset_sha256}, found {found}")
    width, height = max(each.width for each in inputs), max(each.height for each in inputs)
    image = decode_rgb(data, probe(data), min_width=width, min_height=height)
    return [example_of(image, label, classes, each) for each in inputs]
