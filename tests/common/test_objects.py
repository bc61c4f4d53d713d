"""One behaviour, two stores: a directory always, and the S3 server that CVOPS_TEST_OBJECTS names (marker `s3`)."""

import asyncio
import os
import resource
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from cvops_common.errors import BadArgument, NotFound, Unavailable
from cvops_common.objects import Objects

KINDS = ("directory", pytest.param("s3", marks=pytest.mark.s3))


@pytest.fixture(params=KINDS)
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    if request.param == "directory":
        return Objects((tmp_path / "objects").as_uri())
    return Objects(s3_url())


def s3_url() -> str:
    given = os.environ.get("CVOPS_TEST_OBJECTS", "")
    if not given.startswith("s3://"):
        pytest.skip("no S3 server: run `make test-s3`, or set CVOPS_TEST_OBJECTS=s3://BUCKET and the AWS_* variables")
    return f"{given.rstrip('/')}/{uuid4().hex}"


async def test_what_was_put_is_read_back(objects: Objects):
    await objects.put("segments/2026/11/23/one.seg", b"pixels")
    assert await objects.get("segments/2026/11/23/one.seg") == b"pixels"


async def test_chunks_become_one_object_in_their_order(objects: Objects):
    await objects.put("many.seg", [b"first ", bytearray(b"second "), memoryview(b"third")])
    assert await objects.get("many.seg") == b"first second third"


async def test_an_empty_object_is_an_object(objects: Objects):
    await objects.put("empty", b"")
    assert await objects.get("empty") == b""
    assert [info.size for info in await objects.list("")] == [0]


async def test_a_second_put_replaces_the_first(objects: Objects):
    await objects.put("one", b"long and old")
    await objects.put("one", b"new")
    assert await objects.get("one") == b"new"


async def test_a_range_is_read_alone(objects: Objects):
    await objects.put("one", bytes(range(256)))
    assert await objects.get_range("one", 10, 5) == bytes(range(10, 15))


async def test_ranges_come_in_the_order_asked_near_or_far(objects: Objects):
    data = os.urandom(3_000_000)
    await objects.put("one", data)
    offsets, lengths = [2_900_000, 0, 100, 1_500_000], [1000, 50, 50, 70_000]
    parts = await objects.get_ranges("one", offsets, lengths)
    assert parts == [data[offset : offset + length] for offset, length in zip(offsets, lengths, strict=True)]


async def test_a_listing_tells_every_name_below_a_folder_with_size_and_time(objects: Objects):
    began = datetime.now(UTC) - timedelta(seconds=2)
    await objects.put("segments/a/1.seg", b"1")
    await objects.put("segments/b/2.seg", b"22")
    await objects.put("bundles/3.zip", b"333")
    found = await objects.list("segments")
    assert {info.uri: info.size for info in found} == {"segments/a/1.seg": 1, "segments/b/2.seg": 2}
    assert all(began <= info.modified <= datetime.now(UTC) + timedelta(seconds=2) for info in found)


async def test_a_listing_of_a_folder_that_is_not_there_is_empty(objects: Objects):
    assert list(await objects.list("nothing/here")) == []


async def test_a_listing_is_whole_beyond_one_page(objects: Objects):
    names = {f"many/{number:04}" for number in range(1005)}
    for start in range(0, 1005, 67):
        await asyncio.gather(*(objects.put(name, b"x") for name in sorted(names)[start : start + 67]))
    assert {info.uri for info in await objects.list("many")} == names


async def test_deleting_removes_what_is_named_and_what_is_not_there_is_no_error(objects: Objects):
    await objects.put("a/1", b"1")
    await objects.put("a/2", b"2")
    await objects.delete(["a/1", "a/never"])
    assert [info.uri for info in await objects.list("a")] == ["a/2"]
    with pytest.raises(NotFound, match="a/1"):
        await objects.get("a/1")


async def test_what_is_not_there_is_not_found_whichever_way_one_asks(objects: Objects, tmp_path: Path):
    with pytest.raises(NotFound, match="gone"):
        await objects.get("gone")
    with pytest.raises(NotFound, match="gone"):
        await objects.get_range("gone", 0, 1)
    with pytest.raises(NotFound, match="gone"):
        await objects.get_ranges("gone", [0], [1])
    with pytest.raises(NotFound, match="gone"):
        await objects.download("gone", tmp_path / "file")
    assert list(tmp_path.glob("file*")) == []


async def test_a_file_goes_up_and_comes_down_the_same(objects: Objects, tmp_path: Path):
    source, target = tmp_path / "source.zip", tmp_path / "target.zip"
    source.write_bytes(os.urandom(12_345_678))  # large enough for several parts
    await objects.put_file("bundles/one.zip", source)
    await objects.download("bundles/one.zip", target)
    assert target.read_bytes() == source.read_bytes()
    assert [path.name for path in tmp_path.glob("target*")] == ["target.zip"]


async def test_an_object_that_is_being_written_is_seen_whole_or_not_at_all(objects: Objects):
    old, new = b"o" * 2_000_000, b"n" * 3_000_000
    writing = asyncio.create_task(write_in_turns(objects, old, new))
    seen = set()
    while not writing.done():
        with suppress(NotFound):
            data = await objects.get("one")
            assert data in (old, new)
            seen.add(len(data))
        assert {info.uri for info in await objects.list("")} <= {"one"}
    await writing
    assert seen


async def write_in_turns(objects: Objects, *versions: bytes) -> None:
    for _ in range(10):
        for version in versions:
            await objects.put("one", version)


@pytest.mark.s3
async def test_a_bucket_that_is_there_is_used_as_it_is():
    url = s3_url()
    await Objects(url).put("one", b"1")
    assert await Objects(url).get("one") == b"1"


@pytest.mark.s3
def test_an_s3_server_that_is_away_is_unavailable(monkeypatch: pytest.MonkeyPatch):
    url = s3_url()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9"):
        Objects(url)


async def test_a_disk_that_fills_up_half_way_is_told_and_leaves_the_old_object(tmp_path: Path):
    objects = Objects(tmp_path.as_uri())
    await objects.put("one", b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (1_000_000, hard)
    )  # the kernel writes so much, then refuses: as a full disk
    try:
        with pytest.raises(Unavailable, match="one"):
            await objects.put("one", bytes(1_500_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert await objects.get("one") == b"old"
    assert files_below(tmp_path) == {"one"}


async def test_what_a_killed_writer_left_is_never_listed_and_removed_a_day_later(tmp_path: Path):
    objects = Objects(tmp_path.as_uri())
    await objects.put("one", b"1")
    recent, left = tmp_path / ".writing" / "recent", tmp_path / ".writing" / "left"
    for partial in (recent, left):
        partial.write_bytes(b"half")
    a_day_ago = time.time() - 25 * 3600
    os.utime(left, (a_day_ago, a_day_ago))

    assert [info.uri for info in await objects.list("")] == ["one"]
    Objects(tmp_path.as_uri())
    assert files_below(tmp_path) == {"one", ".writing/recent"}


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


async def test_a_directory_that_cannot_be_written_is_unavailable(tmp_path: Path):
    objects = Objects(tmp_path.as_uri())
    await objects.put("folder", b"a file where a folder is needed")
    with pytest.raises(Unavailable, match="folder/one"):
        await objects.put("folder/one", b"1")


def test_a_url_of_an_unknown_kind_is_refused_with_the_kinds_that_are_known():
    with pytest.raises(BadArgument, match="expected file://, s3://, gs:// or az://"):
        Objects("ftp://somewhere")
