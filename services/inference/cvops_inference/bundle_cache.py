"""Bundles on the local disk, by hash."""

import asyncio
from collections.abc import Collection
from pathlib import Path

from cvops_bundles.bundle import Bundle, open_bundle
from cvops_common.errors import BadBundle
from cvops_common.objects import Objects
from cvops_common.telemetry import logger

log = logger(__name__)


class BundleCache:
    """Downloads bundles once and verifies them at every opening. Replicas of one machine may share the folder."""

    def __init__(self, objects: Objects, folder: Path, limit_mb: int) -> None:
        self._objects = objects
        self._folder = folder
        self._limit = limit_mb * 2**20

    async def open(self, uri: str, sha256: str) -> Bundle:
        """The bundle with this hash.

        Raises:
            NotFound: the object is not in the store. BadBundle: it is not what the hash says, or broken.
            Unavailable: the store does not answer.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{sha256}.zip"
        if path.exists():
            try:
                path.touch()
                return await asyncio.to_thread(open_bundle, path, sha256)
            except BadBundle as error:
                log.warning("cached bundle is damaged, downloading again", bundle=sha256, error=str(error))
        await self._objects.download(uri, path)
        try:
            return await asyncio.to_thread(open_bundle, path, sha256)
        except BadBundle:
            path.unlink(missing_ok=True)
            raise

    def trim(self, used: Collection[str]) -> None:
        """Removes the bundles that were opened longest ago until the folder is below its limit; never one in use."""
        files = sorted(self._folder.glob("*.zip"), key=lambda path: path.stat().st_mtime)
        size = sum(path.stat().st_size for path in files)
        for path in files:
            if size <= self._limit:
                return
            if path.stem not in used:
                size -= path.stat().st_size
                path.unlink(missing_ok=True)
