"""Model versions: bundles in the object store, what is known of them in MongoDB."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from pymongo.errors import DuplicateKeyError

from cvops_bundles.bundle import Bundle, open_bundle
from cvops_bundles.spec_json import spec_to_json
from cvops_bundles.verify import verify_bundle
from cvops_common.errors import BadArgument, BadBundle, NotFound
from cvops_common.ids import check_name
from cvops_common.mongo import Document, MongoStore, mongo_errors, this_millisecond
from cvops_common.objects import Objects
from cvops_common.telemetry import logger
from cvops_protos.v1.trainer_pb2 import ModelVersion
from cvops_trainer.settings import TrainerSettings

log = logger(__name__)

_PIECE = 1 << 20


class Registry:
    """Every version of every model. A bundle is in the object store before its version exists."""

    def __init__(self, mongo: MongoStore, objects: Objects, settings: TrainerSettings) -> None:
        self._mongo = mongo
        self._versions = mongo.db["versions"]
        self._objects = objects
        self._settings = settings

    async def __aenter__(self) -> Self:
        with mongo_errors():
            await self._versions.create_index([("name", 1), ("number", -1)], unique=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def add(self, sha256: str, chunks: AsyncIterator[bytes]) -> ModelVersion:
        """Takes a bundle in; the same bundle twice is the same version.

        Raises:
            BadBundle: too large, damaged on the way, or it fails its own proof.
        """
        with TemporaryDirectory(dir=self._settings.scratch_dir, prefix="cvops-upload-") as folder:
            path = Path(folder) / "bundle.zip"
            await self._receive(sha256, chunks, path)
            bundle = await asyncio.to_thread(open_bundle, path, sha256)
            check_name("model", bundle.spec.name)
            with mongo_errors():
                known = await self._versions.find_one({"_id": bundle.sha256})
            if known is None:
                await asyncio.to_thread(verify_bundle, bundle)
            uri = f"bundles/{bundle.sha256}.zip"
            await self._objects.put_file(uri, path)  # of a known one too: an object that was lost is there again
            return await self._number(bundle, uri) if known is None else version_of(known)

    async def add_file(self, sha256: str, path: Path) -> ModelVersion:
        """Takes a bundle from a file of this machine in; see `add`."""

        async def chunks() -> AsyncIterator[bytes]:
            with path.open("rb") as file:
                while chunk := file.read(_PIECE):
                    yield chunk

        return await self.add(sha256, chunks())

    async def list(self, name: str = "") -> list[ModelVersion]:
        """Versions, newest first; of one model when `name` is given."""
        with mongo_errors():
            found = self._versions.find({"name": name} if name else {}).sort([("created_at", -1), ("number", -1)])
            return [version_of(document) async for document in found]

    async def find(self, reference: str, *, whole: bool = False) -> ModelVersion:
        """The version that "name" (the newest), "name:version" or "name@alias" means; `whole`: with its bundle.json.

        Raises:
            NotFound: there is none.
            BadArgument: the version is no number.
        """
        query = _query(reference)
        with mongo_errors():
            document = await self._versions.find_one(query, sort=[("number", -1)])
        if document is None:
            raise NotFound(
                f"there is no model {reference!r}: see `cvops model list`, or bring it by `cvops model import`"
            )
        version = version_of(document)
        if whole:
            version.bundle_json = document.get("bundle_json", "")
        return version

    async def set_alias(self, reference: str, alias: str) -> ModelVersion:
        """Makes "name@alias" mean a version, and no other of its name; raises as `find` does."""
        check_name("alias", alias)
        if alias.isdigit():
            raise BadArgument(f"alias {alias!r} could be taken for a version: expected a word, e.g. stable")
        version = await self.find(reference)
        async with self._mongo.transaction() as session:
            await self._versions.update_many(
                {"name": version.name, "aliases": alias}, {"$pull": {"aliases": alias}}, session=session
            )
            await self._versions.update_one(
                {"_id": version.bundle_sha256}, {"$push": {"aliases": alias}}, session=session
            )
        return await self.find(f"{version.name}:{version.version}")

    async def remove_alias(self, reference: str, alias: str) -> ModelVersion:
        """Takes an alias away; NotFound when the model has none of this name."""
        version = await self.find(f"{reference.partition(':')[0].partition('@')[0]}@{alias}")
        with mongo_errors():
            await self._versions.update_one({"_id": version.bundle_sha256}, {"$pull": {"aliases": alias}})
        return await self.find(f"{version.name}:{version.version}")

    async def _receive(self, sha256: str, chunks: AsyncIterator[bytes], path: Path) -> None:
        limit = self._settings.max_bundle_mb * 2**20
        digest, size = hashlib.sha256(), 0
        with path.open("wb") as file:
            async for chunk in chunks:
                size += len(chunk)
                if size > limit:
                    raise BadBundle(f"bundle is larger than {self._settings.max_bundle_mb} MiB: raise max_bundle_mb")
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != sha256:
            raise BadBundle(
                f"bundle was damaged on the way: expected sha256 {sha256}, found {digest.hexdigest()} in {size} bytes; "
                "send it again",
                reason="damaged",
            )

    async def _number(self, bundle: Bundle, uri: str) -> ModelVersion:
        document: Document = {
            "_id": bundle.sha256,
            "name": bundle.spec.name,
            "uri": uri,
            "bytes": bundle.size_bytes,
            "task": str(bundle.spec.task),
            "classes": list(bundle.spec.classes),
            "bundle_json": spec_to_json(bundle.spec).decode(),
            "created_at": this_millisecond(),
        }
        while True:
            with mongo_errors():
                newest = await self._versions.find_one({"name": bundle.spec.name}, sort=[("number", -1)])
                document["number"] = 1 + (newest["number"] if newest else 0)
                try:
                    await self._versions.insert_one(document)
                except DuplicateKeyError:
                    # Another upload took the number, or brought the same bundle.
                    if (same := await self._versions.find_one({"_id": bundle.sha256})) is not None:
                        return version_of(same)
                    continue
            log.info("model version added", model=f"{bundle.spec.name}:{document['number']}", bundle=bundle.sha256)
            return version_of(document)


def _query(reference: str) -> Document:
    name, at, alias = reference.partition("@")
    if at:
        return {"name": name, "aliases": alias}
    name, colon, number = reference.partition(":")
    if colon and not number.isdigit():
        raise BadArgument(
            f"model {reference!r} is not understood: expected NAME, NAME:VERSION or NAME@ALIAS, e.g. coco:3"
        )
    return {"name": name} | ({"number": int(number)} if colon else {})


def version_of(document: Document) -> ModelVersion:
    """A stored version as it is told to others."""
    version = ModelVersion(
        name=document["name"],
        version=str(document["number"]),
        bundle_sha256=document["_id"],
        bundle_uri=document["uri"],
        bytes=document["bytes"],
        task=document["task"],
        classes=document["classes"],
        aliases=sorted(document.get("aliases", ())),
    )
    version.created_at.FromDatetime(document["created_at"])
    return version
