"""Writes bundles."""

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from cvops_bundles.archive import MODEL, MONITOR, PARITY, REFERENCE, SPEC, WEIGHTS, pack_arrays, write_zip
from cvops_bundles.parity import Parity
from cvops_bundles.spec import BundleSpec
from cvops_bundles.spec_json import spec_to_json


@dataclass(frozen=True, slots=True)
class BundleParts:
    """What goes into a bundle: the members of the zip, the optional ones None."""

    spec: BundleSpec
    model: bytes
    parity: Parity
    monitor: bytes | None = None
    reference: Mapping[str, NDArray[Any]] | None = None
    weights: bytes | None = None


@dataclass(frozen=True, slots=True)
class WrittenBundle:
    """A bundle file: where it is, its sha256 in hex, its size in bytes."""

    path: Path
    sha256: str
    size_bytes: int


def write_bundle(parts: BundleParts, to: Path) -> WrittenBundle:
    """Writes a bundle; whoever reads the path sees the whole file or none.

    Args:
        parts: the content. The same content gives the same bytes.
        to: a folder, in which the file is named `<sha256>.zip`, or the path of the file itself.

    Raises:
        BadBundle: a member is too large.
        OSError: the place cannot be written.
    """
    members = {SPEC: spec_to_json(parts.spec), MODEL: parts.model, PARITY: pack_arrays(parts.parity.as_arrays())}
    optional = {MONITOR: parts.monitor, WEIGHTS: parts.weights}
    members |= {name: data for name, data in optional.items() if data is not None}
    if parts.reference is not None:
        members[REFERENCE] = pack_arrays(parts.reference)
    folder = to if to.is_dir() else to.parent
    handle, scratch = tempfile.mkstemp(dir=folder, prefix=".bundle-")
    try:
        with os.fdopen(handle, "w+b") as file:
            write_zip(file, members)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        path = to / f"{sha256}.zip" if to.is_dir() else to
        Path(scratch).chmod(0o644)
        Path(scratch).replace(path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise
    return WrittenBundle(path, sha256, size)
