"""Models: versions in the store and what serves."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cvops.calls import Calls
from cvops.connection import Connection
from cvops.errors import SourceError
from cvops_protos.v1 import trainer_pb2
from cvops_protos.v1.model_pb2 import ModelReleased
from cvops_protos.v1.trainer_pb2_grpc import ModelsStub

STAGES = {
    "shadow": ModelReleased.STAGE_SHADOW,
    "canary": ModelReleased.STAGE_CANARY,
    "champion": ModelReleased.STAGE_CHAMPION,
}
_CHUNK_BYTES = 1 << 20
_UPLOAD_DEADLINE_S = 600.0


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A version of a model in the store; `created_at` is aware UTC."""

    name: str
    version: str
    bundle_sha256: str
    task: str
    classes: tuple[str, ...]
    size_bytes: int
    created_at: datetime
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Release:
    """What holds a slot; `previous` is "name:version" or empty, `released_at` aware UTC."""

    project: str
    slot: str
    stage: str
    model: str
    version: str
    selector: str
    percent: int
    previous: str
    reason: str
    released_at: datetime


class Models:
    """The store of models."""

    def __init__(self, connection: Connection) -> None:
        self._call = Calls(connection, "trainer", ModelsStub)

    def close(self) -> None:
        """Closes the connection."""
        self._call.close()

    def upload(self, path: Path) -> ModelVersion:
        """Uploads a bundle; the same bundle twice is the same version.

        Raises:
            SourceError: the file cannot be read. Refused: it is no bundle, or fails its proof.
        """
        try:
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise SourceError(f"bundle {path} cannot be read: {error.strerror}") from error
        return _version(self._call("UploadBundle", _pieces(path, sha256), _UPLOAD_DEADLINE_S))

    def list(self, name: str = "") -> tuple[tuple[ModelVersion, ...], tuple[Release, ...]]:
        """Versions, newest first, and the releases that serve."""
        answer = self._call("ListModels", trainer_pb2.ListModelsRequest(name=name))
        return tuple(map(_version, answer.versions)), tuple(map(release_of, answer.releases))

    def show(self, model: str) -> tuple[ModelVersion, dict[str, Any]]:
        """The version that "name", "name:version" or "name@alias" means, and its bundle.json."""
        found = self._call("GetModel", trainer_pb2.GetModelRequest(model=model))
        return _version(found), json.loads(found.bundle_json or "{}")

    def set_alias(self, model: str, alias: str) -> ModelVersion:
        """Makes "name@alias" mean this version, and no other of its name."""
        return _version(self._call("SetAlias", trainer_pb2.SetAliasRequest(model=model, alias=alias)))

    def remove_alias(self, model: str, alias: str) -> ModelVersion:
        """Takes an alias away."""
        return _version(self._call("SetAlias", trainer_pb2.SetAliasRequest(model=model, alias=alias, remove=True)))

    def release(
        self,
        model: str,
        *,
        project: str = "",
        slot: str = "",
        stage: str = "champion",
        selector: str = "",
        percent: int = 100,
        reason: str = "",
    ) -> Release:
        """Puts "name" (newest version) or "name:version" into a slot; every server swaps within seconds."""
        request = trainer_pb2.ReleaseModelRequest(
            model=model,
            project=project,
            slot=slot,
            stage=STAGES[stage],
            selector=selector,
            percent=percent,
            reason=reason,
        )
        return release_of(self._call("ReleaseModel", request))

    def rollback(self, *, project: str = "", slot: str = "", reason: str = "") -> Release:
        """Gives a slot back to the model before."""
        request = trainer_pb2.RollbackModelRequest(project=project, slot=slot, reason=reason)
        return release_of(self._call("RollbackModel", request))

    def withdraw(self, *, project: str = "", slot: str = "", reason: str = "") -> Release:
        """Empties a slot."""
        request = trainer_pb2.WithdrawModelRequest(project=project, slot=slot, reason=reason)
        return release_of(self._call("WithdrawModel", request))


def _pieces(path: Path, sha256: str) -> Iterator[trainer_pb2.UploadBundleRequest]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield trainer_pb2.UploadBundleRequest(sha256=sha256, chunk=chunk)


def _version(version: trainer_pb2.ModelVersion) -> ModelVersion:
    return ModelVersion(
        name=version.name,
        version=version.version,
        bundle_sha256=version.bundle_sha256,
        task=version.task,
        classes=tuple(version.classes),
        size_bytes=version.bytes,
        created_at=version.created_at.ToDatetime(UTC),
        aliases=tuple(version.aliases),
    )


def release_of(released: ModelReleased) -> Release:
    """A release as it is told."""
    previous = f"{released.previous.name}:{released.previous.version}" if released.HasField("previous") else ""
    return Release(
        project=released.project,
        slot=released.slot,
        stage=ModelReleased.Stage.Name(released.stage).removeprefix("STAGE_").lower().replace("_", " "),
        model=released.model.name,
        version=released.model.version,
        selector=released.selector,
        percent=released.percent,
        previous=previous,
        reason=released.reason,
        released_at=released.released_at.ToDatetime(UTC),
    )
