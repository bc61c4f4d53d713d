"""What a run learns from, and what it is judged by."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest

from cvops_common.objects import Objects
from cvops_datasets.images import Box, LabelledImage
from cvops_datasets.release import Dataset, read_release, write_release
from cvops_trainer.runs.material import Material, material_of
from cvops_training.errors import TrainingFailed
from cvops_training.examples import Example
from cvops_training.recipe import recipe_of

TO = recipe_of("detector-tiny").input_spec()


@pytest.fixture
def objects(tmp_path) -> Objects:
    return Objects(tmp_path.as_uri())


async def images(objects: Objects, name: str, count: int, **more) -> list[LabelledImage]:
    """Pictures of one grey each; every second one is held out."""
    found = []
    for number in range(count):
        level = int(hashlib.sha256(f"{name}{number}".encode()).hexdigest()[:2], 16)
        data = cv2.imencode(".png", np.full((96, 160, 3), (level, number, len(name)), np.uint8))[1].tobytes()
        sha256 = hashlib.sha256(data).hexdigest()
        await objects.put(f"assets/{sha256}", data)
        label = LabelledImage(
            f"{name}-{number}", "cam", datetime(2026, 5, 1, tzinfo=UTC), sha256, f"assets/{sha256}", 160, 96,
            split=("train", "test")[number % 2], boxes=(Box("car", 10, 10, 30, 20),),
        )  # fmt: skip
        found.append(replace(label, **more))
    return found


async def dataset(objects: Objects, name: str, some: list[LabelledImage], classes=("car",)) -> Dataset:
    written = await write_release(objects, project="p", name=name, classes=classes, images=some)
    return await read_release(objects, written.manifest_uri, written.manifest_sha256)


def keys(examples: list[Example]) -> set[str]:
    return {example.key for example in examples}


async def test_labels_of_the_episode_are_new_and_the_others_are_replayed(objects):
    new = await images(objects, "new", 8, episode_id="e")
    audits = await images(objects, "audit", 2, episode_id="e", purpose="audit")
    whole = await dataset(objects, "d", [*new, *audits, *await images(objects, "old", 4)])
    data = (await material_of(objects, whole, "e", TO)).data
    assert keys(data.new) == {f"new-{n}" for n in (0, 2, 4, 6)}
    assert keys(data.new_test) == {f"new-{n}" for n in (1, 3, 5, 7)}
    assert keys(data.replay) == {"old-0", "old-2"}
    assert keys(data.clean_test) == {"old-1", "old-3"}
    by_hand = (await material_of(objects, whole, "", TO)).data
    assert len(by_hand.new) == len(by_hand.new_test) == 6
    assert by_hand.replay == by_hand.clean_test == []


async def test_another_dataset_is_replayed_and_what_both_have_counts_once(objects):
    new = await images(objects, "new", 8)
    fair = await images(objects, "fair", 6)
    old = await dataset(objects, "fair-weather", [*fair, new[0], new[1]], ("bus", "car"))
    found: Material = await material_of(objects, await dataset(objects, "d", new), "", TO, old)
    assert (len(found.data.new), len(found.data.new_test)) == (4, 4)
    assert keys(found.data.replay) == {"fair-0", "fair-2", "fair-4"}
    assert keys(found.data.clean_test) == {"fair-1", "fair-3", "fair-5"}
    assert found.classes == ("car",)


async def test_too_few_held_out_labels_cannot_judge(objects):
    few = await dataset(objects, "d", await images(objects, "new", 6))
    with pytest.raises(TrainingFailed, match="3 new images are held out to judge by: expected 4 or more"):
        await material_of(objects, few, "", TO)


async def test_what_judges_is_brought_to_the_input_of_the_champion_too(objects):
    whole = await dataset(objects, "d", await images(objects, "new", 8))
    champion = replace(TO, width=640, height=384)
    data = (await material_of(objects, whole, "", TO, champion=champion)).data
    assert data.champion is not None
    assert [each.key for each in data.champion.new] == [each.key for each in data.new_test]
    assert {each.picture.shape for each in data.champion.new} == {(384, 640, 3)}
    for ours, theirs in zip(data.new_test, data.champion.new, strict=True):
        np.testing.assert_allclose(theirs.boxes, 2 * ours.boxes)
