"""A picture by plain HTTP."""

import asyncio
import http.client
import json
from typing import Any

import pytest
from PIL import Image

from cvops_common.access import Role

pytestmark = pytest.mark.engines


def post(address: str, camera_id: str, body: Any, **headers: str) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection(address, timeout=20)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request(
            "POST", f"/v1/cameras/{camera_id}/frames", body, names, encode_chunked=not isinstance(body, bytes)
        )
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


async def posted(ingest, camera_id: str, body: Any, key: str | None = None, **headers: str):
    headers["Authorization"] = f"Bearer {key or ingest.key}"
    return await asyncio.to_thread(post, ingest.http, camera_id, body, **headers)


async def test_a_picture_is_stored_and_recognised_when_it_comes_again(ingest, events, jpeg):
    camera_id = await ingest.new_camera()
    at = {"X_Captured_At": "2026-11-23T14:05:00.250Z", "X_Sequence": "7"}
    status, receipt = await posted(ingest, camera_id, jpeg(1), **at)
    assert (status, receipt["status"], receipt["sequence"]) == (201, "stored", 7)
    assert await posted(ingest, camera_id, jpeg(1), **at) == (200, receipt | {"status": "duplicate"})
    (record,) = await events("frames", camera_id)
    assert record.message.frame_id == receipt["frame_id"]
    assert record.message.captured_at.ToJsonString() == "2026-11-23T14:05:00.250Z"
    booked = await ingest.ledger(camera_id)
    assert (booked["captured"], booked["stored"], booked["duplicates"], booked["gaps"]) == (2, 1, 1, 0)


async def test_a_picture_without_any_header_is_captured_now(ingest, jpeg):
    camera_id = await ingest.new_camera()
    assert [(await posted(ingest, camera_id, jpeg(1)))[0] for _ in range(2)] == [201, 201]


async def test_the_size_of_a_turned_picture_is_that_of_the_upright_one(ingest, events, jpeg):
    camera_id = await ingest.new_camera()
    tags = Image.Exif()
    tags[0x0112] = 6
    await posted(ingest, camera_id, jpeg(1, 640, 480, exif=tags))
    (record,) = await events("frames", camera_id)
    assert (record.message.width, record.message.height, record.message.orientation) == (480, 640, 6)
    assert record.message.stats.ratio == pytest.approx(480 / 640)


async def test_bad_requests_are_told_what_is_wrong(ingest, jpeg):
    camera_id = await ingest.new_camera()
    good = jpeg(1)
    other_key = ingest.keys.create(Role.CAMERA, "another")
    cases = [
        (400, "truncated", await posted(ingest, camera_id, good[:-40])),
        (400, "empty", await posted(ingest, camera_id, b"")),
        (400, "not_an_image", await posted(ingest, camera_id, b"hello")),
        (415, "unsupported_format", await posted(ingest, camera_id, b"GIF89a" + bytes(50))),
        (400, "bad_argument", await posted(ingest, camera_id, good, X_Captured_At="yesterday")),
        (400, "bad_argument", await posted(ingest, camera_id, good, X_Sequence="-1")),
        (404, "unknown_camera", await posted(ingest, "nobody", good)),
        (403, "forbidden", await posted(ingest, camera_id, good, other_key)),
        (401, "unauthenticated", await posted(ingest, camera_id, good, "cvops_x_y")),
    ]
    for status, reason, (found_status, answer) in cases:
        assert (found_status, answer["reason"]) == (status, reason)
        assert len(answer["message"]) > 20


async def test_a_body_beyond_the_limit_is_refused_while_it_is_read(start_ingest):
    async with start_ingest(max_image_bytes=100_000) as ingest:
        camera_id = await ingest.new_camera()
        status, answer = await posted(ingest, camera_id, bytes(100_001))
        assert (status, answer["reason"]) == (413, "too_many_bytes")
        chunks = (bytes(50_000) for _ in range(3))  # a length that nobody has announced
        status, answer = await posted(ingest, camera_id, chunks, Transfer_Encoding="chunked")
        assert (status, answer["reason"]) == (413, "too_many_bytes")
