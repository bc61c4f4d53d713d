"""Images that stay: copied from segments, which expire, to objects named by their content."""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Sequence

from cvops_common.errors import BadImage, NotFound
from cvops_common.mongo import Document
from cvops_common.objects import Objects
from cvops_common.telemetry import logger
from cvops_labeling.documents import where_of
from cvops_labeling.metrics import ASSETS, EXPIRED

log = logger(__name__)

_WRITE_AT_ONCE = 8


def asset_uri(sha256: str) -> str:
    """Where an asset lies, below the root of the store."""
    return f"assets/{sha256[:2]}/{sha256}"


class Assets:
    """The permanent images."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._gate = asyncio.Semaphore(_WRITE_AT_ONCE)

    async def keep(self, frames: Sequence[Document]) -> dict[str, str]:
        """Copies the images of frames; sha256 by frame id. A frame whose segment has expired is left out.

        Raises:
            Unavailable: the store is away.
        """
        by_uri: dict[str, list[Document]] = defaultdict(list)
        kept: dict[str, str] = {}
        for frame in frames:
            if frame.get("asset_sha256"):
                kept[frame["_id"]] = frame["asset_sha256"]
            elif "where" in frame:
                by_uri[frame["where"]["uri"]].append(frame)

        async def copy(uri: str, some: list[Document]) -> None:
            for frame, image in zip(some, await self._images(uri, some), strict=False):
                kept[frame["_id"]] = await self.put(image)

        await asyncio.gather(*(copy(uri, some) for uri, some in by_uri.items()))
        return kept

    async def put(self, image: bytes) -> str:
        """Makes an image permanent; its sha256. The same image twice is one."""
        sha256 = hashlib.sha256(image).hexdigest()
        async with self._gate:
            await self._objects.put(asset_uri(sha256), image)
        ASSETS.inc()
        return sha256

    async def get(self, sha256: str) -> bytes:
        """An asset's bytes, as they were written.

        Raises:
            NotFound: there is none.
            BadImage: it was changed in the store; nobody should label what it is now.
        """
        try:
            image = await self._objects.get(asset_uri(sha256))
        except NotFound as error:
            raise NotFound(f"there is no asset {sha256}: see `cvops frames search` for those that are kept") from error
        found = hashlib.sha256(image).hexdigest()
        if found != sha256:
            raise BadImage(
                f"asset {sha256} is damaged: its {len(image)} bytes have sha256 {found}; restore "
                f"{asset_uri(sha256)}, or skip its task",
                reason="damaged",
            )
        return image

    async def of_frame(self, frame: Document) -> tuple[str, bytes]:
        """sha256 and bytes of a frame's image, kept or not.

        Raises:
            NotFound: it was not kept, and its segment has expired.
        """
        if frame.get("asset_sha256"):
            return frame["asset_sha256"], await self.get(frame["asset_sha256"])
        where = where_of(frame)
        if where is None:
            raise NotFound(f"the image of frame {frame['_id']} was never stored")
        try:
            image = await self._objects.get_range(where.uri, where.offset, where.length)
        except NotFound as error:
            raise NotFound(
                f"the image of frame {frame['_id']} has expired with its segment {where.uri}: keep segments longer, "
                "or raise edge_cases.keep_share of the project"
            ) from error
        return hashlib.sha256(image).hexdigest(), image

    async def _images(self, uri: str, frames: Sequence[Document]) -> list[bytes]:
        where = [frame["where"] for frame in frames]
        async with self._gate:
            try:
                return await self._objects.get_ranges(
                    uri, [each["offset"] for each in where], [each["length"] for each in where]
                )
            except NotFound:
                EXPIRED.inc(len(frames))
                log.warning("images have expired", segment=uri, frames=len(frames))
                return []
