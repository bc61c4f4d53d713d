"""Names of the classes of every model that is released, and the champion of each project."""

import json
import zipfile
from collections.abc import Sequence
from io import BytesIO

from cvops_common.errors import CvopsError
from cvops_common.objects import Objects
from cvops_common.records import Record
from cvops_common.telemetry import logger
from cvops_protos.v1.model_pb2 import ModelReleased

log = logger(__name__)

_CHAMPION = "champion"


class ClassNames:
    """Learned from the bundles of releases."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._names: dict[str, tuple[str, ...]] = {}
        self._champions: dict[str, str] = {}

    async def on_released(self, records: Sequence[Record[ModelReleased]]) -> None:
        """Follows the releases; a bundle that cannot be read is told and leaves its classes without names."""
        for record in records:
            released = record.message
            if released is None:
                continue
            sha256 = released.model.bundle_sha256
            if released.slot == _CHAMPION:
                self._champions[released.project] = sha256
            if sha256 not in self._names:
                await self._learn(released)

    def of_model(self, bundle_sha256: str) -> tuple[str, ...]:
        """In the order of their ids; empty when they are not known."""
        return self._names.get(bundle_sha256, ())

    def of_champion(self, project: str) -> tuple[str, ...]:
        """Of the model that serves a whole project; empty when there is none."""
        return self.of_model(self._champions.get(project, ""))

    async def _learn(self, released: ModelReleased) -> None:
        try:
            with zipfile.ZipFile(BytesIO(await self._objects.get(released.bundle_uri))) as bundle:
                spec = json.loads(bundle.read("bundle.json"))
            self._names[released.model.bundle_sha256] = tuple(str(name) for name in spec["classes"])
        except (CvopsError, KeyError, ValueError, zipfile.BadZipFile) as error:
            log.warning("names of classes are not known", model=released.model.name, error=str(error))
