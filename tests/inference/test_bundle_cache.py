"""Bundles on the local disk."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cvops_bundles.bundle import Bundle
from cvops_common.errors import BadBundle, NotFound
from cvops_common.objects import Objects
from cvops_inference.bundle_cache import BundleCache


@pytest.fixture
def objects(objects_url: str) -> Objects:
    return Objects(objects_url)


async def test_a_bundle_is_downloaded_once(
    objects: Objects, make_bundle: Callable[..., Bundle], tmp_path: Path
) -> None:
    bundle = make_bundle()
    await objects.put("models/one.zip", bundle.path.read_bytes())
    cache = BundleCache(objects, tmp_path / "cache", 100)
    first = await cache.open("models/one.zip", bundle.sha256)
    await objects.delete(["models/one.zip"])
    again = await cache.open("models/one.zip", bundle.sha256)
    assert first.sha256 == again.sha256 == bundle.sha256
    assert again.model_bytes() == bundle.model_bytes()


async def test_other_content_than_the_hash_says_is_refused_and_not_kept(
    objects: Objects, make_bundle: Callable[..., Bundle], tmp_path: Path
) -> None:
    bundle = make_bundle()
    await objects.put("models/one.zip", bundle.path.read_bytes() + b"!")
    cache = BundleCache(objects, tmp_path / "cache", 100)
    with pytest.raises(BadBundle, match=f"expected sha256 {bundle.sha256}"):
        await cache.open("models/one.zip", bundle.sha256)
    assert list((tmp_path / "cache").iterdir()) == []
    await objects.put("models/one.zip", bundle.path.read_bytes())
    assert (await cache.open("models/one.zip", bundle.sha256)).sha256 == bundle.sha256


async def test_a_cached_bundle_that_was_damaged_is_downloaded_again(
    objects: Objects, make_bundle: Callable[..., Bundle], tmp_path: Path
) -> None:
    bundle = make_bundle()
    await objects.put("models/one.zip", bundle.path.read_bytes())
    cache = BundleCache(objects, tmp_path / "cache", 100)
    opened = await cache.open("models/one.zip", bundle.sha256)
    opened.path.write_bytes(b"torn")
    assert (await cache.open("models/one.zip", bundle.sha256)).model_bytes() == bundle.model_bytes()


async def test_a_bundle_that_is_not_in_the_store_is_named(objects: Objects, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"models/gone\.zip"):
        await BundleCache(objects, tmp_path / "cache", 100).open("models/gone.zip", "0" * 64)


def test_the_bundles_opened_longest_ago_go_first_and_never_one_in_use(objects: Objects, tmp_path: Path) -> None:
    for age, name in enumerate("abcd"):
        path = tmp_path / f"{name}.zip"
        path.write_bytes(bytes(2**20))
        os.utime(path, (1000 - age, 1000 - age))  # d is the oldest
    BundleCache(objects, tmp_path, 2).trim({"d"})
    assert sorted(path.stem for path in tmp_path.glob("*.zip")) == ["a", "d"]
