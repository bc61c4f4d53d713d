"""The client's calls, and the errors that they become."""

import asyncio
import hashlib
import socket
from pathlib import Path

import grpc
import numpy as np
import pytest

import cvops
from cvops import Camera, Client, Connection, ConnectionFailed, CvopsError, Refused, SourceError
from tests.client.conftest import KEY, connection_to
from tests.client.door_servicer import Door


async def test_a_camera_comes_back_as_it_was_added(door: Door, connection: Connection) -> None:
    camera = Camera(
        "gate-3",
        project="road",
        site="north",
        firmware="2.1",
        tags={"road": "A7"},
        latitude_deg=48.5,
        longitude_deg=-9.25,
        height_m=4.5,
        azimuth_deg=0.0,
        pitch_deg=-12.5,
        roll_deg=0.0,
        fps=5.0,
        max_width=640,
    )
    with Client(connection) as client:
        assert await asyncio.to_thread(client.cameras.add, camera) == camera
        assert await asyncio.to_thread(client.cameras.get, "gate-3") == camera
        assert await asyncio.to_thread(client.cameras.list) == (camera,)
        await asyncio.to_thread(client.cameras.remove, "gate-3")
        assert await asyncio.to_thread(client.cameras.list) == ()
    assert door.keys == [f"Bearer {KEY}"]


async def test_what_is_not_given_of_a_camera_stays_unknown(door: Door, connection: Connection) -> None:
    with Client(connection) as client:
        found = await asyncio.to_thread(client.cameras.add, Camera("bare"))
    assert found == Camera("bare")
    assert found.latitude_deg is None
    assert found.fps is None


async def test_not_found_is_a_refusal_with_the_sentence_and_reason_of_the_platform(
    door: Door, connection: Connection
) -> None:
    with Client(connection) as client, pytest.raises(Refused, match="`cvops camera add nowhere`") as caught:
        await asyncio.to_thread(client.cameras.get, "nowhere")
    assert caught.value.reason == "unknown_camera"
    assert caught.value.__cause__ is None, "no trace of gRPC for people"


async def test_a_refusal_without_a_reason_of_ours_has_that_of_grpc(door: Door, connection: Connection) -> None:
    with Client(connection) as client:
        await asyncio.to_thread(client.cameras.add, Camera("gate-3"))
        with pytest.raises(Refused, match="camera gate-3 is there already") as caught:
            await asyncio.to_thread(client.cameras.add, Camera("gate-3"))
    assert caught.value.reason == "already_exists"


@pytest.mark.parametrize(
    ("code", "error", "reason"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, Refused, "unauthenticated"),
        (grpc.StatusCode.PERMISSION_DENIED, Refused, "permission_denied"),
        (grpc.StatusCode.INVALID_ARGUMENT, Refused, "invalid_argument"),
        (grpc.StatusCode.FAILED_PRECONDITION, Refused, "failed_precondition"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Refused, "resource_exhausted"),
        (grpc.StatusCode.UNAVAILABLE, ConnectionFailed, None),
        (grpc.StatusCode.DEADLINE_EXCEEDED, ConnectionFailed, None),
    ],
)
async def test_every_status_becomes_one_of_our_errors_with_its_sentence(
    door: Door, connection: Connection, code: grpc.StatusCode, error: type[CvopsError], reason: str | None
) -> None:
    door.fail = (code, "the sentence of the door")
    with Client(connection) as client:
        for call in (lambda: client.cameras.add(Camera("gate-3")), client.models.list):
            with pytest.raises(error, match="the sentence of the door") as caught:
                await asyncio.to_thread(call)
            assert getattr(caught.value, "reason", None) == reason


async def test_a_platform_that_is_away_is_told_with_its_address_and_the_cure() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with Client(connection_to(address)) as client, pytest.raises(ConnectionFailed) as caught:
        await asyncio.to_thread(client.cameras.list)
    assert str(caught.value).startswith(f"{address} does not answer")
    assert "`cvops up`" in str(caught.value)


async def test_a_service_that_is_not_known_is_told_when_it_is_asked_for(door: Door) -> None:
    only_ingest = Connection(door.address, "", "", "", Path("keys.json"), KEY)
    with Client(only_ingest) as client:
        assert await asyncio.to_thread(client.cameras.list) == ()
        with pytest.raises(ConnectionFailed, match="CVOPS_TRAINER"):
            _ = client.models


async def test_a_bundle_arrives_whole_under_its_digest(tmp_path: Path, door: Door, connection: Connection) -> None:
    bundle = tmp_path / "detector.cvb"
    bundle.write_bytes(np.random.default_rng(0).bytes(3_000_001))
    with Client(connection) as client:
        version = await asyncio.to_thread(client.upload_bundle, bundle)
    assert version.size_bytes == 3_000_001
    assert version.bundle_sha256 == hashlib.sha256(bundle.read_bytes()).hexdigest()


def test_a_bundle_that_is_not_there_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    with Client(connection_to("127.0.0.1:9")) as client:
        for path in (tmp_path / "gone.cvb", tmp_path):
            with pytest.raises(SourceError, match=f"bundle {path} cannot be read"):
                client.upload_bundle(path)


def test_an_image_that_cannot_be_sent_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    with Client(connection_to("127.0.0.1:9")) as client:
        with pytest.raises(SourceError, match=r"gone\.jpg cannot be read.*is the path right"):
            client.predict(tmp_path / "gone.jpg", model="coco")
        for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8)):
            with pytest.raises(SourceError, match=r"expected uint8 \(H, W, 3\) in RGB order"):
                client.predict(wrong, model="coco")


def test_without_a_platform_a_client_says_how_to_get_one() -> None:
    with pytest.raises(ConnectionFailed, match="run `cvops up`"):
        Client()


def test_every_name_of_the_public_face_is_there_and_no_other() -> None:
    for name in cvops.__all__:
        assert getattr(cvops, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'Cameraman'"):
        _ = cvops.Cameraman  # type: ignore[attr-defined]


def test_all_our_errors_are_of_one_tree() -> None:
    for name in ("ConnectionFailed", "Refused", "SourceError", "SpoolError"):
        assert issubclass(getattr(cvops, name), CvopsError)
