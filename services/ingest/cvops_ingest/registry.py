"""The registry of cameras: kept in MongoDB, in memory for every frame, and told to everybody by events.

The database is the truth. A change is one transaction: the camera, its status and the event in the outbox. Each
replica reads the topic `cameras` too, and takes a record there as a hint to read that camera again.
"""

import asyncio
from collections.abc import AsyncGenerator, Collection
from datetime import UTC, datetime
from typing import Self

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from cvops_common.errors import AlreadyExists, NotFound, Unavailable
from cvops_common.ids import check_camera_id
from cvops_common.mongo import MongoStore, mongo_errors
from cvops_common.outbox import Outbox
from cvops_common.selectors import Selector
from cvops_ingest.camera_edit import DEFAULT_PROJECT, merged
from cvops_ingest.status_event import listed_status, total_ledger
from cvops_protos.v1.camera_pb2 import Camera, CameraConfig, CameraStatus, LedgerMinute


class Cameras:
    """All cameras; enter it after the store, change cameras only while the outbox is entered."""

    def __init__(self, store: MongoStore, outbox: Outbox, *, patience_s: float) -> None:
        self._store = store
        self._outbox = outbox
        self._patience_s = patience_s
        self._stored = store.db["cameras"]
        self._status = store.db["status"]
        self._cameras: dict[str, Camera] = {}
        self._changing = asyncio.Lock()
        self._watchers: dict[str, set[asyncio.Event]] = {}

    async def __aenter__(self) -> Self:
        with mongo_errors():
            await self._status.create_index("state")
            async for document in self._stored.find():
                self._take(document["_id"], Camera.FromString(document["body"]))
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    # -- reading ---------------------------------------------------------------------------------------------------

    def get(self, camera_id: str) -> Camera:
        """The camera.

        Raises:
            NotFound: there is none, with the reason `unknown_camera`.
        """
        camera = self._cameras.get(camera_id)
        if camera is None:
            raise NotFound(
                f"camera {camera_id[:80]!r} is not registered: add it with `cvops camera add {camera_id[:80]}`",
                reason="unknown_camera",
            )
        return camera

    def project_of(self, camera_id: str) -> str:
        """The project of a camera; empty when it was removed while its frames were on their way."""
        camera = self._cameras.get(camera_id)
        return camera.project if camera else ""

    def select(self, selector: str) -> list[Camera]:
        """Cameras that a selector takes, by id; BadArgument when it is not understood."""
        terms = Selector.parse(selector)
        return [camera for _, camera in sorted(self._cameras.items()) if terms.matches(camera)]

    async def statuses(self, selector: str) -> list[tuple[CameraStatus, LedgerMinute]]:
        """The last state of each camera that a selector takes, and the sum of its ledger since it was added; by id."""
        wanted = {camera.camera_id: camera.project for camera in self.select(selector)}
        with mongo_errors():
            found = await self._status.find({"_id": {"$in": list(wanted)}}).sort("_id", 1).to_list()
        return [(listed_status(status, wanted[status["_id"]]), total_ledger(status)) for status in found]

    async def watch(self, camera_id: str) -> AsyncGenerator[CameraConfig, None]:
        """The configuration now and at every change; ends with NotFound when the camera is removed."""
        changed = asyncio.Event()
        self._watchers.setdefault(camera_id, set()).add(changed)
        try:
            told: CameraConfig | None = None
            while True:
                changed.clear()
                config = self.get(camera_id).config
                if config != told:
                    told = config
                    yield config
                else:
                    await changed.wait()
        finally:
            watchers = self._watchers[camera_id]
            watchers.discard(changed)
            if not watchers:
                del self._watchers[camera_id]

    # -- changing --------------------------------------------------------------------------------------------------

    async def add(self, wish: Camera) -> Camera:
        """Creates a camera.

        Raises:
            AlreadyExists: there is one with this id.
            BadArgument: the id or a value cannot be used.
        """
        check_camera_id(wish.camera_id)
        blank = Camera(camera_id=wish.camera_id, project=DEFAULT_PROJECT)
        camera = _stamped(merged(blank, wish))

        async def insert(session: AsyncClientSession) -> None:
            await self._stored.insert_one(_document(camera), session=session)
            status = {"_id": camera.camera_id, "state": CameraStatus.STATE_OFFLINE, "since": datetime.now(UTC)}
            await self._status.insert_one(status, session=session)
            await self._tell(camera, session)

        async with self._changing:
            try:
                await self._outbox.write(insert, patience_s=self._patience_s)
            except DuplicateKeyError as error:
                raise AlreadyExists(
                    f"camera {camera.camera_id} is registered already: change it with `cvops camera set`"
                ) from error
            self._take(camera.camera_id, camera)
        return camera

    async def set(self, wish: Camera) -> Camera:
        """Changes what `wish` names and leaves the rest, see `merged`; NotFound when there is no such camera."""

        async def replace(session: AsyncClientSession) -> Camera:
            await self._read_again([wish.camera_id])
            old = self.get(wish.camera_id)
            camera = _stamped(merged(old, wish))
            seen = {"_id": camera.camera_id, "body": old.SerializeToString(deterministic=True)}
            changed = await self._stored.replace_one(seen, _document(camera), session=session)
            if not changed.matched_count:
                raise _changed_meanwhile(camera.camera_id)
            await self._tell(camera, session)
            return camera

        async with self._changing:
            camera = await self._outbox.write(replace, patience_s=self._patience_s)
            self._take(camera.camera_id, camera)
        return camera

    async def remove(self, camera_id: str) -> None:
        """Withdraws a camera; its frames stay until they expire. NotFound when there is none."""

        async def delete(session: AsyncClientSession) -> None:
            await self._status.delete_one({"_id": camera_id}, session=session)
            gone = await self._stored.delete_one({"_id": camera_id}, session=session)
            if not gone.deleted_count:
                self._take(camera_id, None)
                self.get(camera_id)
            await self._tell(Camera(camera_id=camera_id), session, tombstone=True)

        async with self._changing:
            await self._outbox.write(delete, patience_s=self._patience_s)
            self._take(camera_id, None)

    async def refresh(self, camera_ids: Collection[str]) -> None:
        """Reads cameras again that may have been changed by another replica."""
        async with self._changing:
            await self._read_again(camera_ids)

    async def _read_again(self, camera_ids: Collection[str]) -> None:
        with mongo_errors():
            found = await self._stored.find({"_id": {"$in": list(camera_ids)}}).to_list()
        bodies = {document["_id"]: document["body"] for document in found}
        for camera_id in camera_ids:
            body = bodies.get(camera_id)
            self._take(camera_id, None if body is None else Camera.FromString(body))

    async def _tell(self, camera: Camera, session: AsyncClientSession, *, tombstone: bool = False) -> None:
        await self._outbox.add(camera, key=camera.camera_id, session=session, tombstone=tombstone)

    def _take(self, camera_id: str, camera: Camera | None) -> None:
        if camera is None:
            self._cameras.pop(camera_id, None)
        else:
            self._cameras[camera_id] = camera
        for watcher in self._watchers.get(camera_id, ()):
            watcher.set()


def _stamped(camera: Camera) -> Camera:
    camera.updated_at.GetCurrentTime()
    return camera


def _document(camera: Camera) -> dict[str, str | bytes]:
    return {"_id": camera.camera_id, "body": camera.SerializeToString(deterministic=True)}


def _changed_meanwhile(camera_id: str) -> Unavailable:
    return Unavailable(f"camera {camera_id} was changed by another call at the same time: try again")
