"""The zip of a bundle: which members it may have, how large they may be, and how it is written byte by byte."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from cvops_common.errors import BadBundle

MODEL: Final = "model.onnx"
SPEC: Final = "bundle.json"
PARITY: Final = "parity.npz"
MONITOR: Final = "monitor.onnx"
REFERENCE: Final = "reference.npz"
WEIGHTS: Final = "weights.safetensors"

REQUIRED: Final = (SPEC, MODEL, PARITY)

_MIB: Final = 1 << 20
MAX_MEMBER_BYTES: Final[Mapping[str, int]] = {
    SPEC: _MIB,
    MODEL: 2048 * _MIB,
    PARITY: 256 * _MIB,
    MONITOR: 64 * _MIB,
    REFERENCE: 1024 * _MIB,
    WEIGHTS: 4096 * _MIB,
}
"""Largest size of a member after unpacking; its keys are all members there are, in the order of writing."""

_MAX_GROWTH: Final = 50
"""A bundle may unpack to this many times its size, plus 64 MiB: far above any model, far below a bomb."""

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def write_zip(file: IO[bytes], members: Mapping[str, bytes]) -> None:
    """Writes the members in their fixed order, with fixed times and rights: the same members give the same bytes."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, limit in MAX_MEMBER_BYTES.items():
            data = members.get(name)
            if data is None:
                continue
            if len(data) > limit:
                raise BadBundle(f"{name}: expected at most {limit} bytes, found {len(data)}")
            # Weights hardly compress, and a stored member is read at the speed of the disk.
            stored = name in (MODEL, MONITOR, WEIGHTS)
            _write_member(archive, name, data, zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED)


def check_zip(path: Path) -> frozenset[str]:
    """The members of a bundle, after the sizes and names in its directory were found right.

    Raises:
        BadBundle: not a zip, a member is unknown, doubled, missing, encrypted or too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise BadBundle(f"{path.name}: expected a bundle (a zip), found {error}; is the file complete?") from error
    names = [info.filename for info in infos]
    if unknown := sorted(set(names) - MAX_MEMBER_BYTES.keys()) or sorted({n for n in names if names.count(n) > 1}):
        raise BadBundle(f"{path.name}: unknown or doubled members {unknown[:5]}; known are {sorted(MAX_MEMBER_BYTES)}")
    if missing := sorted(set(REQUIRED) - set(names)):
        raise BadBundle(f"{path.name}: the members {missing} are missing; make bundles with `cvops model import`")
    for info in infos:
        if info.file_size > MAX_MEMBER_BYTES[info.filename] or info.flag_bits & 1:
            raise BadBundle(f"{path.name}: {info.filename} is encrypted or too large ({info.file_size} bytes)")
    total, packed = sum(info.file_size for info in infos), path.stat().st_size
    if total > packed * _MAX_GROWTH + 64 * _MIB:
        raise BadBundle(f"{path.name}: {packed} bytes would unpack to {total}; this is not a bundle but a bomb")
    return frozenset(names)


def read_member(path: Path, name: str) -> bytes:
    """The bytes of one member, its checksum verified.

    Raises:
        BadBundle: it is damaged or missing.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(name)
    except (zipfile.BadZipFile, KeyError, EOFError, OSError, ValueError, RuntimeError, NotImplementedError) as error:
        raise BadBundle(f"{path.name}: {name} cannot be read ({error}); fetch the bundle again") from error
    except Exception as error:  # zlib.error and lzma.LZMAError have no common parent
        raise BadBundle(f"{path.name}: {name} is damaged ({error}); fetch the bundle again") from error


def pack_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Arrays as an npz, sorted by name: the same arrays give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asarray(arrays[name], order="C"), allow_pickle=False)
            _write_member(archive, f"{name}.npy", member.getvalue(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def unpack_arrays(data: bytes, name: str) -> dict[str, NDArray[Any]]:
    """The arrays of an npz.

    Args:
        data: the npz.
        name: of the member, for messages; its limit of `MAX_MEMBER_BYTES` holds for the arrays too.

    Raises:
        BadBundle: not an npz, holds objects, or unpacks to more than the limit.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            total = sum(info.file_size for info in archive.infolist())
        if total > MAX_MEMBER_BYTES[name]:
            raise BadBundle(f"{name}: expected at most {MAX_MEMBER_BYTES[name]} bytes unpacked, found {total}")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except BadBundle:
        raise
    except Exception as error:  # numpy, zipfile and zlib each raise their own
        raise BadBundle(f"{name}: expected arrays in npz form, found {error}") from error


def _write_member(archive: zipfile.ZipFile, name: str, data: bytes, compression: int) -> None:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.compress_type = compression
    info.external_attr = 0o644 << 16
    info.create_system = 3
    archive.writestr(info, data, compresslevel=6 if compression == zipfile.ZIP_DEFLATED else None)
