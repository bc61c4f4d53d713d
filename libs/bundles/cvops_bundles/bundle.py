"""A bundle on disk: opened, verified, read member by member."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from cvops_bundles.archive import (
    MODEL,
    MONITOR,
    PARITY,
    REFERENCE,
    SPEC,
    WEIGHTS,
    check_zip,
    read_member,
    unpack_arrays,
)
from cvops_bundles.parity import Parity
from cvops_bundles.spec import BundleSpec
from cvops_bundles.spec_json import spec_from_json
from cvops_common.errors import BadBundle


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model with all that is needed to serve it, in one zip. Members are read when asked for.

    Attributes:
        path: the file; it must stay as it is while the bundle is used.
        sha256: of the file, hex: the identity of the model.
        size_bytes: of the file.
        spec: `bundle.json`.
        members: names of the members that it has.
    """

    path: Path
    sha256: str
    size_bytes: int
    spec: BundleSpec
    members: frozenset[str]

    def model_bytes(self) -> bytes:
        """The ONNX graph from uint8 images to predictions."""
        return read_member(self.path, MODEL)

    def monitor_bytes(self) -> bytes | None:
        """The ONNX graph that gives the outlier score, if there is one."""
        return self._optional(MONITOR)

    def weights_bytes(self) -> bytes | None:
        """The weights in safetensors form from which training can go on, if there are any."""
        return self._optional(WEIGHTS)

    def parity(self) -> Parity:
        """Inputs with the outputs that a server must reproduce."""
        return Parity.from_arrays(unpack_arrays(read_member(self.path, PARITY), PARITY), self.spec)

    def reference(self) -> dict[str, NDArray[Any]] | None:
        """Statistics of the training and validation data, for drift, if there are any."""
        data = self._optional(REFERENCE)
        return None if data is None else unpack_arrays(data, REFERENCE)

    def _optional(self, name: str) -> bytes | None:
        return read_member(self.path, name) if name in self.members else None


def open_bundle(path: Path, expected_sha256: str | None = None) -> Bundle:
    """Opens a bundle and verifies its hash, its directory, its `bundle.json` and its parity vectors.

    Reads the whole file once; call it from a thread when a loop must go on. Whether the graph computes what it should
    is proved by `prove_parity`.

    Raises:
        BadBundle: the file is missing, has another hash, or is not a bundle.
    """
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        size = path.stat().st_size
    except OSError as error:
        raise BadBundle(f"{path.name}: cannot be read ({error.strerror}); is the path right?") from error
    if expected_sha256 is not None and sha256 != expected_sha256.lower():
        raise BadBundle(f"{path.name}: expected sha256 {expected_sha256}, found {sha256}; fetch the bundle again")
    members = check_zip(path)
    bundle = Bundle(path, sha256, size, spec_from_json(read_member(path, SPEC)), members)
    bundle.parity()
    return bundle
