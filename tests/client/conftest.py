"""A door to push to, connections to it, and pictures."""

from collections.abc import AsyncIterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import pytest_asyncio

from cvops.connection import Connection
from tests.client.door_servicer import Door

KEY = "key-of-the-test"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("INGEST", "INFERENCE", "TRAINER", "KAFKA", "KEYS", "KEY", "TLS_CA"):
        monkeypatch.delenv(f"CVOPS_{name}", raising=False)
    monkeypatch.setenv("CVOPS_DATA_DIR", str(tmp_path / "no-platform"))


@pytest_asyncio.fixture
async def door() -> AsyncIterator[Door]:
    """A door that is open."""
    door = Door()
    await door.open()
    yield door
    await door.shut()


@pytest.fixture
def connection(door: Door) -> Connection:
    """To the open door, with a key."""
    return connection_to(door.address)


def connection_to(address: str, key: str = KEY) -> Connection:
    return Connection(
        ingest=address, inference=address, trainer=address, kafka="127.0.0.1:9", keys=Path("keys.json"), key=key
    )


def jpeg(number: int = 0, width: int = 64, height: int = 48) -> bytes:
    """A small picture that differs by its number."""
    picture = np.full((height, width, 3), (number * 7 % 256, number * 31 % 256, 90), np.uint8)
    return cv2.imencode(".jpg", picture)[1].tobytes()
