"""Segments expire, nothing else does."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cvops_common.objects import Objects
from cvops_ingest import segments
from cvops_ingest.sweeper import Sweeper

NOW = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects((tmp_path / "objects").as_uri())


async def put(objects: Objects, *uris: str) -> None:
    for uri in uris:
        await objects.put(uri, b"x")


async def uris(objects: Objects) -> set[str]:
    return {found.uri for found in await objects.list("")}


async def test_a_segment_goes_when_its_youngest_frame_can_be_older_than_the_retention(objects):
    old, young = (segments.new_uri(NOW - timedelta(hours=hours)) for hours in (26, 24))
    await put(objects, old, young)
    sweeper = Sweeper(objects, retention=timedelta(hours=24), every_s=60)
    assert await sweeper.sweep(NOW) == 1
    assert await uris(objects) == {young}
    assert await sweeper.sweep(NOW + timedelta(minutes=29)) == 0
    assert await sweeper.sweep(NOW + timedelta(minutes=31)) == 1
    assert await uris(objects) == set()


async def test_what_expired_during_a_long_pause_is_found(objects):
    sweeper = Sweeper(objects, retention=timedelta(hours=1), every_s=60)
    assert await sweeper.sweep(NOW) == 0
    await put(objects, *(segments.new_uri(NOW + timedelta(hours=hours)) for hours in range(30)))
    assert await sweeper.sweep(NOW + timedelta(hours=40)) == 30


async def test_nothing_but_expired_segments_is_ever_removed(objects):
    kept = {
        "assets/2020/01/01/00/a.seg",
        "segments/2020/01/01/00/readme.txt",
        "segments/2020/01/01/a.seg",
        "segments/2020/13/01/00/a.seg",
        "segments/assets/a.seg",
        "2020/01/01/00/a.seg",
    }
    await put(objects, *kept, "segments/2020/01/01/00/a.seg")
    sweeper = Sweeper(objects, retention=timedelta(hours=24), every_s=60)
    assert await sweeper.sweep(NOW) == 1
    assert await uris(objects) == kept


async def test_a_retention_of_zero_keeps_everything(objects):
    await put(objects, "segments/2020/01/01/00/a.seg")
    async with Sweeper(objects, retention=timedelta(), every_s=0.01) as sweeper:
        assert not sweeper._rounds.alive
    assert len(await uris(objects)) == 1


def test_offsets_are_where_the_images_before_end():
    assert segments.offsets([b"abc", b"", b"de", b"f"]) == [0, 3, 3, 5]
    assert segments.hour_of(segments.new_uri(NOW)) == NOW.replace(minute=0)
