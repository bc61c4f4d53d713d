"""Dataset versions: the same labels are the same bytes, and a damaged byte is found and named."""

import subprocess
import sys
from dataclasses import replace

import pytest

from cvops_common.errors import BadArgument, BadRecord, NotFound
from cvops_datasets import release
from cvops_datasets.release import read_manifest, read_release, write_release
from tests.datasets.conftest import CLASSES, some_images


async def publish(objects, images, **more):
    return await write_release(objects, project="roads", name="roads", classes=CLASSES, images=images, **more)


async def test_what_is_read_is_what_was_written_ordered_by_frame(objects):
    images = some_images(30)
    published = await publish(objects, images, parent="abc", reason="for a test", episode_id="e1")
    dataset = await read_release(objects, published.manifest_uri, published.manifest_sha256)
    assert list(dataset.images) == [
        replace(each, slices=tuple(sorted(each.slices))) for each in sorted(images, key=lambda each: each.frame_id)
    ]
    assert dataset.manifest.classes == CLASSES
    assert (dataset.manifest.parent, dataset.manifest.reason) == ("abc", "for a test")
    assert published.images == {"train": 10, "val": 10, "test": 10}
    assert sum(published.boxes.values()) == sum(len(each.boxes) for each in images)
    assert published.slices == {"night": 6, "snow": 6}
    assert published.manifest_uri == f"datasets/roads/roads/{published.version}/manifest.json"
    assert published.manifest_sha256.startswith(published.version)


async def test_the_same_labels_in_any_order_are_one_version_and_another_label_is_another(objects, monkeypatch):
    images = some_images(30)
    first = await publish(objects, images)
    files = {each.uri for each in await objects.list("datasets")}
    assert await publish(objects, reversed(images)) == first
    assert {each.uri for each in await objects.list("datasets")} == files
    turned = [
        replace(each, boxes=tuple(replace(box, attributes=box.attributes[::-1]) for box in each.boxes))
        for each in images
    ]
    assert await publish(objects, turned) == first
    changed = [replace(images[0], boxes=()), *images[1:]]
    assert (await publish(objects, changed)).version != first.version


async def test_another_process_writes_the_same_bytes(objects, objects_url):
    program = (
        "import asyncio, sys\n"
        "from cvops_common.objects import Objects\n"
        "from tests.datasets.conftest import some_images\n"
        "from tests.datasets.test_release import publish\n"
        "print(asyncio.run(publish(Objects(sys.argv[1]), some_images(30))).manifest_sha256)\n"
    )
    said = subprocess.run([sys.executable, "-c", program, objects_url], capture_output=True, text=True, check=True)
    assert (await publish(objects, some_images(30))).manifest_sha256 == said.stdout.strip()


async def test_many_images_are_several_parts_read_in_order(objects, monkeypatch):
    monkeypatch.setattr(release, "IMAGES_PER_PART", 7)
    published = await publish(objects, some_images(30))
    manifest = await read_manifest(objects, published.manifest_uri, published.manifest_sha256)
    assert [part.images for part in manifest.parts] == [7, 7, 7, 7, 2]
    dataset = await read_release(objects, published.manifest_uri, published.manifest_sha256)
    assert [each.frame_id for each in dataset.images] == sorted(each.frame_id for each in some_images(30))


async def test_a_damaged_part_and_a_damaged_manifest_are_named(objects):
    published = await publish(objects, some_images(9))
    part = next(each.uri for each in await objects.list("datasets") if each.uri.endswith(".parquet"))
    whole = await objects.get(part)
    await objects.put(part, whole[:-9] + b"x" + whole[-8:])
    with pytest.raises(BadRecord, match=part) as damaged:
        await read_release(objects, published.manifest_uri, published.manifest_sha256)
    assert damaged.value.reason == "damaged"
    await objects.delete([part])
    with pytest.raises(NotFound, match=part):
        await read_release(objects, published.manifest_uri, published.manifest_sha256)
    await objects.put(published.manifest_uri, b"{}")
    with pytest.raises(BadRecord, match=r"manifest\.json is damaged"):
        await read_release(objects, published.manifest_uri, published.manifest_sha256)


async def test_a_half_written_version_is_completed_by_the_next_writer(objects):
    published = await publish(objects, some_images(9))
    await objects.delete([published.manifest_uri])
    again = await publish(objects, some_images(9))
    assert again == published
    assert len((await read_release(objects, again.manifest_uri, again.manifest_sha256)).images) == 9


async def test_what_cannot_be_a_dataset_is_refused(objects):
    images = some_images(4)
    with pytest.raises(BadArgument, match="would be empty"):
        await publish(objects, [])
    with pytest.raises(BadArgument, match="stands there twice"):
        await publish(objects, [*images, images[0]])
    with pytest.raises(BadArgument, match="has class 'tram'"):
        await publish(objects, [replace(images[0], class_name="tram")])
    with pytest.raises(BadArgument, match="in split 'left'"):
        await publish(objects, [replace(images[0], split="left")])
    with pytest.raises(BadArgument, match="without a zone"):
        await publish(objects, [replace(images[0], captured_at=images[0].captured_at.replace(tzinfo=None))])
    with pytest.raises(BadArgument, match="dataset 'a/b'"):
        await write_release(objects, project="roads", name="a/b", classes=CLASSES, images=images)
