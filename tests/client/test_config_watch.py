"""Following the wished configuration of a camera."""

import asyncio
import threading
import time

from cvops.connection import Connection
from cvops.edge.config_watch import ConfigWatch
from cvops_protos.v1.camera_pb2 import CameraConfig
from tests.client.conftest import connection_to
from tests.client.door_servicer import Door
from tests.client.waiting import soon


async def test_the_configuration_comes_at_once_and_at_every_change(door: Door, connection: Connection) -> None:
    seen: list[CameraConfig] = []
    with ConfigWatch(connection, "gate-3", seen.append):
        await soon(lambda: len(seen) == 1, "the configuration of now")
        door.wish(fps=2.0)
        await soon(lambda: len(seen) == 2, "the change")
        door.wish(max_width=640)
        await soon(lambda: len(seen) == 3, "the second change")
    assert [config.revision for config in seen] == [0, 1, 2]
    assert seen[1].fps == 2.0
    assert seen[2].max_width == 640


async def test_a_change_made_while_ingest_was_away_comes_when_it_is_back(door: Door, connection: Connection) -> None:
    seen: list[CameraConfig] = []
    with ConfigWatch(connection, "gate-3", seen.append):
        await soon(lambda: len(seen) == 1, "the configuration of now")
        await door.shut()
        door.wish(fps=7.0)
        await door.open()
        await soon(lambda: seen[-1].revision == 1, "the change")
    assert seen[-1].fps == 7.0


async def test_leaving_ends_the_watch_on_both_sides(door: Door, connection: Connection) -> None:
    seen: list[CameraConfig] = []
    with ConfigWatch(connection, "of-this-test", seen.append):
        await soon(lambda: door.watching == 1, "the watch")
        began = time.monotonic()
    assert time.monotonic() - began < 1.0
    await soon(lambda: door.watching == 0, "ingest knows that nobody watches")
    assert not [thread for thread in threading.enumerate() if thread.name == "config-of-this-test"]


async def test_leaving_does_not_wait_for_an_ingest_that_is_away() -> None:
    def enter_and_leave() -> float:
        with ConfigWatch(connection_to("127.0.0.1:9"), "gate-3", lambda _: None):
            began = time.monotonic()
        return time.monotonic() - began

    assert await asyncio.to_thread(enter_and_leave) < 2.0
