"""Names of the classes of every model that is released, and the champion of each project."""

import json
import time
import zipfile
from collections.abc import Iterable, Sequence
from io import BytesIO

from cvops_common.errors import CvopsError
from cvops_common.objects import Objects
from cvops_common.records import Record
from cvops_common.telemetry import logger
from cvops_protos.v1.model_pb2 import ModelReleased

log = logger(__name__)

_CHAMPION = "champion"
# A bundle that could not be read is tried again after so many seconds.
_AGAIN_S = 30.0


class ClassNames:
    """Learned from the bundles of releases."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._names: dict[str, tuple[str, ...]] = {}
        self._champions: dict[str, str] = {}
        self._tried_s: dict[str, float] = {}

    async def on_released(self, records: Sequence[Record[ModelReleased]]) -> None:
        """Follows the releases; a bundle that cannot be read is told and leaves its classes without names."""
        for record in records:
            released = record.message
            if released is None:
                continue
            sha256 = released.model.bundle_sha256
            if released.slot == _CHAMPION:
                self._champions[released.project] = sha256
            await self._learn(sha256, released.bundle_uri)

    def of_model(self, bundle_sha256: str) -> tuple[str, ...]:
        """In the order of their ids; empty when they are not known."""
        return self._names.get(bundle_sha256, ())

    def of_champion(self, project: str) -> tuple[str, ...]:
        """Of the model that serves a whole project; empty when there is none."""
        return self.of_model(self._champions.get(project, ""))

    async def know(self, bundle_sha256: Iterable[str]) -> None:
        """Learns the names of these models too: a prediction can overtake the release of its model."""
        for sha256 in set(bundle_sha256) - self._names.keys():
            if sha256 and time.monotonic() >= self._tried_s.get(sha256, 0) + _AGAIN_S:
                await self._learn(sha256, f"bundles/{sha256}.zip")

    async def _learn(self, sha256: str, uri: str) -> None:
        if sha256 in self._names:
            return
        try:
            with zipfile.ZipFile(BytesIO(await self._objects.get(uri))) as bundle:
                spec = json.loads(bundle.read("bundle.json"))
            self._names[sha256] = tuple(str(name) for name in spec["classes"])
            self._tried_s.pop(sha256, None)
        except (CvopsError, KeyError, ValueError, zipfile.BadZipFile) as error:
            self._tried_s[sha256] = time.monotonic()
            log.warning("names of classes are not known", bundle=uri, error=str(error))
