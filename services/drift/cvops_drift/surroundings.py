"""What happened around a change: new configurations, firmwares and models, and what other cameras say."""

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO

from cvops_bundles.archive import REFERENCE, SPEC, unpack_arrays
from cvops_common.errors import CvopsError
from cvops_common.objects import Objects
from cvops_common.records import Record
from cvops_common.telemetry import logger
from cvops_monitoring.domain.hotelling import Moments
from cvops_monitoring.domain.training import training_moments
from cvops_protos.v1.camera_pb2 import Camera
from cvops_protos.v1.model_pb2 import ModelReleased

log = logger(__name__)

_BEFORE_S, _AFTER_S = 600.0, 120.0


@dataclass(slots=True)
class Surroundings:
    """The registry of cameras, the releases, and which signals alarm where."""

    cameras: dict[str, Camera] = field(default_factory=dict)
    releases: dict[str, ModelReleased] = field(default_factory=dict)
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    alarming: dict[str, frozenset[str]] = field(default_factory=dict)
    """Open signals of each camera of this replica."""
    elsewhere: dict[str, frozenset[str]] = field(default_factory=dict)
    """Likewise, of the cameras of other replicas, as they were saved last."""
    training: dict[str, Moments | None] = field(default_factory=dict)
    """What each bundle says of the data it was trained on."""
    calibrated: dict[str, bool] = field(default_factory=dict)
    """Whether the scores of each bundle are probabilities of being right: a temperature was found for them."""
    false_discovery_rate: float = 0.1
    """Of domain drift, over cameras."""

    def on_cameras(self, records: Sequence[Record[Camera]]) -> None:
        """Follows the registry."""
        for record in records:
            if record.message is None:
                self.cameras.pop(record.key, None)
            else:
                self.cameras[record.key] = record.message

    async def on_released(self, records: Sequence[Record[ModelReleased]], objects: Objects) -> None:
        """Follows the releases, and learns what their bundles say."""
        for record in records:
            if record.message is None:
                self.releases.pop(record.key, None)
                continue
            self.releases[record.key] = record.message
            await self._learn(record.message, objects)

    def class_name(self, bundle_sha256: str, index: str) -> str:
        """The name of a class, or its index when it is not known."""
        names = self.classes.get(bundle_sha256, ())
        return names[int(index)] if index.isdigit() and int(index) < len(names) else index

    def coincidences(self, camera_id: str, project: str, since_s: float) -> list[str]:
        """What happened to the camera, or to the models of its project, shortly before a change."""
        found = []
        camera = self.cameras.get(camera_id)
        if camera is not None and _close(camera.updated_at.ToNanoseconds() / 1e9, since_s):
            at = camera.updated_at.ToDatetime().strftime("%H:%M:%S")
            found.append(
                f"the camera's record changed at {at} UTC (firmware {camera.firmware or 'unknown'}, "
                f"configuration revision {camera.config.revision})"
            )
        for released in self.releases.values():
            if released.project == project and _close(released.released_at.ToNanoseconds() / 1e9, since_s):
                at = released.released_at.ToDatetime().strftime("%H:%M:%S")
                found.append(f"model {released.model.name}:{released.model.version} was released at {at} UTC")
        return found

    def fleet(self, camera_id: str, signal: str) -> tuple[int, int]:
        """How many other cameras have this signal open, and how many there are."""
        others = [signals for other, signals in (self.elsewhere | self.alarming).items() if other != camera_id]
        return sum(signal in signals for signals in others), len(others)

    async def _learn(self, released: ModelReleased, objects: Objects) -> None:
        """Names of classes, temperature, training data."""
        sha256 = released.model.bundle_sha256
        if sha256 in self.classes:
            return
        try:
            with zipfile.ZipFile(BytesIO(await objects.get(released.bundle_uri))) as bundle:
                spec = json.loads(bundle.read(SPEC))
                held = bundle.read(REFERENCE) if REFERENCE in bundle.namelist() else None
            self.training[sha256] = training_moments(unpack_arrays(held, REFERENCE)) if held else None
            self.calibrated[sha256] = float(spec.get("temperature", 1.0)) != 1.0
            self.classes[sha256] = tuple(str(name) for name in spec["classes"])
        except (CvopsError, KeyError, ValueError, zipfile.BadZipFile) as error:
            log.warning("what the bundle says is not known", model=released.model.name, error=str(error))


def _close(at_s: float, since_s: float) -> bool:
    return -_BEFORE_S <= at_s - since_s <= _AFTER_S
