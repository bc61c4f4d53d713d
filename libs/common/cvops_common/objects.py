"""The object store: bytes under relative names, on a directory, S3, GCS or Azure by URL.

obstore moves the bytes. On a directory a write is made durable here, because obstore leaves that to the page cache:
the file and its folders are synced before `put` returns. What is half written lies in a folder of its own until it is
renamed, so no reader and no listing ever sees it; what a killed process left there is removed a day later.
"""

import asyncio
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlparse
from uuid import uuid4

import obstore
from obstore.exceptions import BaseError as ObstoreError
from obstore.exceptions import NotFoundError
from obstore.store import LocalStore, ObjectStore, from_url

from cvops_common.errors import BadArgument, NotFound, Unavailable

_COALESCE_BYTES = 256 * 1024
_WRITING = ".writing"
_LEFT_BEHIND_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object of a listing: its uri, its size in bytes and when it was last written (UTC)."""

    uri: str
    size: int
    modified: datetime


class Objects:
    """Objects below one root URL. Names are relative, e.g. "segments/2026/11/23/14/ab12.seg".

    All methods raise NotFound for an object that is not there and Unavailable when the store does not answer.
    """

    def __init__(self, url: str) -> None:
        """Opens a store; a missing directory or S3 bucket is made.

        Raises:
            BadArgument: the URL has a scheme that is not known.
        """
        self.url = url
        parsed = urlparse(url)
        self._root = Path(unquote(parsed.path)) if parsed.scheme == "file" else None
        if parsed.scheme not in ("file", "s3", "gs", "az"):
            raise BadArgument(f"object store {url!r} is not understood: expected file://, s3://, gs:// or az://")
        if parsed.scheme == "s3":
            from cvops_common.s3 import ensure_bucket  # a client that takes a fifth of a second to load

            ensure_bucket(parsed.netloc)
        if self._root is not None:
            _make_folder(self._root / _WRITING)
            _remove_left_behind(self._root / _WRITING)
        self._store: ObjectStore = LocalStore(self._root) if self._root is not None else from_url(url)

    async def put(self, uri: str, data: bytes | Sequence[bytes]) -> None:
        """Writes an object whole; when this returns it survives a crash of the machine."""
        chunks = [data] if isinstance(data, bytes) else list(data)
        with _store_errors(uri):
            if self._root is not None:
                await asyncio.to_thread(_write_durably, self._root, uri, chunks)
            else:
                await obstore.put_async(self._store, uri, b"".join(chunks))

    async def put_file(self, uri: str, path: Path) -> None:
        """Writes a local file as an object, as durably as `put`."""
        with _store_errors(uri):
            if self._root is not None:
                await asyncio.to_thread(_copy_durably, path, self._root, uri)
            else:
                await obstore.put_async(self._store, uri, path)

    async def get(self, uri: str) -> bytes:
        """All bytes of an object."""
        with _store_errors(uri):
            result = await obstore.get_async(self._store, uri)
            return bytes(await result.bytes_async())

    async def get_range(self, uri: str, offset: int, length: int) -> bytes:
        """`length` bytes from `offset` on."""
        with _store_errors(uri):
            return bytes(await obstore.get_range_async(self._store, uri, start=offset, length=length))

    async def get_ranges(self, uri: str, offsets: Sequence[int], lengths: Sequence[int]) -> list[bytes]:
        """Several ranges of one object; ranges that lie close together are read at once."""
        with _store_errors(uri):
            parts = await obstore.get_ranges_async(
                self._store, uri, starts=offsets, lengths=lengths, coalesce=_COALESCE_BYTES
            )
            return [bytes(part) for part in parts]

    async def download(self, uri: str, path: Path) -> None:
        """Writes an object to a local file, streamed; the file is there whole or not at all."""
        partial = path.with_name(f"{path.name}.{uuid4().hex}.part")
        try:
            with _store_errors(uri):
                result = await obstore.get_async(self._store, uri)
                with partial.open("wb") as file:
                    async for chunk in result.stream(min_chunk_size=1 << 20):
                        file.write(chunk)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    async def delete(self, uris: Sequence[str]) -> None:
        """Removes objects; one that is not there is no error."""
        for uri in uris:
            try:
                with _store_errors(uri):
                    await obstore.delete_async(self._store, uri)
            except NotFound:
                continue

    async def list(self, prefix: str) -> Sequence[ObjectInfo]:
        """Every object below a folder name, in no order."""
        with _store_errors(prefix):
            pages = [page async for page in obstore.list(self._store, prefix, chunk_size=1000)]
        return [
            ObjectInfo(meta["path"], meta["size"], meta["last_modified"])
            for page in pages
            for meta in page
            if not meta["path"].startswith(f"{_WRITING}/")
        ]


@contextmanager
def _store_errors(uri: str) -> Iterator[None]:
    try:
        yield
    except (NotFoundError, FileNotFoundError) as error:
        raise NotFound(f"object {uri} is not in the store: it expired or was removed") from error
    except (ObstoreError, OSError) as error:
        raise Unavailable(f"object store did not serve {uri}: {error}") from error


def _write_durably(root: Path, uri: str, chunks: Iterable[bytes]) -> None:
    path = root / uri
    partial = root / _WRITING / uuid4().hex
    try:
        with partial.open("wb") as file:
            file.writelines(chunks)
            file.flush()
            os.fdatasync(file.fileno())
        _make_folder(path.parent)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _copy_durably(source: Path, root: Path, uri: str) -> None:
    with source.open("rb") as file:
        _write_durably(root, uri, iter(lambda: file.read(1 << 20), b""))


def _make_folder(folder: Path) -> None:
    """Makes a folder with those above it; each new one is synced into the one that holds it."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _remove_left_behind(folder: Path) -> None:
    for partial in folder.iterdir():
        with suppress(FileNotFoundError):
            if time.time() - partial.stat().st_mtime > _LEFT_BEHIND_S:
                partial.unlink()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
