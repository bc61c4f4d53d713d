"""The models that serve: obeys releases, swaps between two batches, keeps the one before for an instant rollback."""

import asyncio
from collections.abc import Iterable, Sequence

from cvops_common.errors import NotFound, NotReady, Rejected, Unavailable
from cvops_common.records import Record
from cvops_common.selectors import Selector
from cvops_common.telemetry import logger
from cvops_inference.assignment import CHAMPION_SLOT, Serving, assigned, selects
from cvops_inference.bundle_cache import BundleCache
from cvops_inference.metrics import LOAD_FAILURES, MODELS
from cvops_inference.model import Model, load
from cvops_protos.v1.camera_pb2 import Camera
from cvops_protos.v1.model_pb2 import ModelReleased
from cvops_protos.v1.prediction_pb2 import MODEL_ROLE_SHADOW, ModelRef

log = logger(__name__)

_REGISTRATION_S = 2.0
"""So long, once, the frames of a camera that was removed meanwhile are held up."""
_MOST_STRANGERS = 10_000


class Models:
    """Releases by slot with their loaded models, and the cameras as they are known.

    Loading happens beside serving; the swap is one assignment, so a batch in work ends with the model it began with.
    """

    def __init__(self, cache: BundleCache, *, workers: int, max_batch: int) -> None:
        self._cache = cache
        self._workers = workers
        self._max_batch = max_batch
        self._slots: dict[str, Serving] = {}
        self._loaded: dict[str, Model] = {}
        self._failures: dict[str, str] = {}
        self._cameras: dict[str, Camera] = {}
        self._assigned: dict[tuple[str, str], tuple[Serving, ...]] = {}
        self._cameras_changed = asyncio.Event()
        self._strangers: set[str] = set()
        self._loading: dict[str, ModelReleased] = {}
        self._loading_changed = asyncio.Event()

    # -- what events say ---------------------------------------------------------------------------------------

    async def on_released(self, records: Sequence[Record[ModelReleased]]) -> None:
        """Takes releases over. One that cannot be served leaves its slot as it was, loudly.

        Raises:
            Unavailable: the object store does not answer; the same records are to be given again.
        """
        newest = {record.key: _in_force(record) for record in records}
        self._loading |= {key: released for key, released in newest.items() if released is not None}
        try:
            for key, released in newest.items():
                if released is None:
                    self._slots.pop(key, None)
                    self._failures.pop(key, None)
                else:
                    await self._release(key, released)
                self._assigned.clear()
                self._unload_unused()
                self._loaded_or_not(key)
        except Unavailable:
            raise  # the same records come again: who waits for their models goes on waiting
        except BaseException:
            for key in newest:
                self._loaded_or_not(key)
            raise

    def on_cameras(self, records: Sequence[Record[Camera]]) -> None:
        """Learns cameras; a tombstone forgets one."""
        for record in records:
            if record.message is None:
                self._cameras.pop(record.key, None)
            else:
                self._cameras[record.key] = record.message
                self._strangers.discard(record.key)
        self._assigned.clear()
        self._cameras_changed.set()
        self._cameras_changed = asyncio.Event()

    # -- what others ask ---------------------------------------------------------------------------------------

    def serving(self, camera_id: str, project: str) -> tuple[Serving, ...]:
        """The releases that predict for a camera; none when no release selects it."""
        found = self._assigned.get((camera_id, project))
        if found is None:
            camera = self._camera(camera_id, project)
            found = self._assigned[camera_id, project] = assigned(self._slots.values(), camera)
        return found

    async def until_known(self, camera_ids: Iterable[str]) -> None:
        """Waits a moment for cameras that are not known yet: a registration comes by another topic than the frames."""
        for camera_id in camera_ids:
            if camera_id in self._strangers:
                continue
            try:
                async with asyncio.timeout(_REGISTRATION_S):
                    while camera_id not in self._cameras:
                        await self._cameras_changed.wait()
            except TimeoutError:
                log.warning("frames of a camera that is not registered", camera=camera_id)
                if len(self._strangers) >= _MOST_STRANGERS:
                    self._strangers.clear()
                self._strangers.add(camera_id)

    async def until_served(self, cameras: Iterable[tuple[str, str]]) -> None:
        """Waits while nothing serves one of the cameras (id, project), but a release that selects it is being loaded.

        So the frames that follow the first release of a slot find its model, however long that takes to load. A camera
        that is served never waits. A release that cannot be loaded ends the wait too.
        """
        for camera_id, project in cameras:
            while not self.serving(camera_id, project) and self._is_loading_for(self._camera(camera_id, project)):
                await self._loading_changed.wait()

    def named(self, name: str, version: str = "") -> Serving:
        """The release that answers for a model by name; the champion first, a shadow last.

        Raises:
            NotFound: no such model or version serves. NotReady: nothing serves yet.
        """
        found = [
            serving
            for serving in self._slots.values()
            if serving.release.model.name == name and version in ("", serving.release.model.version)
        ]
        if found:
            return min(found, key=lambda s: (s.role == MODEL_ROLE_SHADOW, s.release.slot != CHAMPION_SLOT))
        if not self._slots:
            raise NotReady("no model serves yet: release one with `cvops model release NAME`")
        wanted = f"{name}:{version}" if version else name
        known = ", ".join(sorted({f"{s.release.model.name}:{s.release.model.version}" for s in self._slots.values()}))
        raise NotFound(f"model {wanted!r} does not serve: expected one of {known}; see `cvops model list`")

    @property
    def releases(self) -> tuple[Serving, ...]:
        """Everything that serves."""
        return tuple(self._slots.values())

    async def check(self) -> str | None:
        """None when every release is served or at least one is; else why nothing is."""
        if self._failures and not self._slots:
            return "; ".join(self._failures.values())
        return None

    @property
    def failures(self) -> dict[str, str]:
        """By slot, why its newest release is not served."""
        return dict(self._failures)

    def _camera(self, camera_id: str, project: str) -> Camera:
        return self._cameras.get(camera_id) or Camera(camera_id=camera_id, project=project)

    # -- loading -----------------------------------------------------------------------------------------------

    def _is_loading_for(self, camera: Camera) -> bool:
        return any(selects(each, Selector.parse(each.selector), camera) for each in self._loading.values())

    def _loaded_or_not(self, key: str) -> None:
        if self._loading.pop(key, None) is not None:
            self._loading_changed.set()
            self._loading_changed = asyncio.Event()

    async def _release(self, key: str, released: ModelReleased) -> None:
        try:
            model = await self._load(released.model, released.bundle_uri)
        except Rejected as error:
            self._failures[key] = f"slot {key}: {released.model.name}:{released.model.version} cannot serve: {error}"
            LOAD_FAILURES.labels(error.reason).inc()
            log.error("release cannot be served", slot=key, model=released.model.name, error=str(error))
            await self._fall_back(key, released)
            return
        self._failures.pop(key, None)
        self._slots[key] = Serving(released, model, Selector.parse(released.selector))
        log.info(
            "model serves",
            slot=key,
            model=f"{released.model.name}:{released.model.version}",
            stage=ModelReleased.Stage.Name(released.stage),
        )

    async def _fall_back(self, key: str, released: ModelReleased) -> None:
        """After a restart nothing is in the slot: then what the release replaced serves on."""
        if key in self._slots or not released.HasField("previous"):
            return
        before = ModelReleased()
        before.CopyFrom(released)
        before.model.CopyFrom(released.previous)
        before.bundle_uri = released.previous_bundle_uri
        before.stage = ModelReleased.STAGE_ROLLED_BACK
        try:
            model = await self._load(before.model, before.bundle_uri)
        except Rejected as error:
            log.error("the model before cannot be served either", slot=key, error=str(error))
            return
        self._slots[key] = Serving(before, model, Selector.parse(before.selector))
        log.warning("the model before serves on", slot=key, model=f"{before.model.name}:{before.model.version}")

    async def _load(self, reference: ModelRef, uri: str) -> Model:
        model = self._loaded.get(reference.bundle_sha256)
        if model is None:
            bundle = await self._cache.open(uri, reference.bundle_sha256)
            model = await asyncio.to_thread(load, bundle, self._workers, self._max_batch)
            self._loaded[reference.bundle_sha256] = model
        return model

    def _unload_unused(self) -> None:
        used = {serving.release.model.bundle_sha256 for serving in self._slots.values()}
        used |= {serving.release.previous.bundle_sha256 for serving in self._slots.values()}
        self._loaded = {sha256: model for sha256, model in self._loaded.items() if sha256 in used}
        self._cache.trim(self._loaded)
        MODELS.set(len(self._loaded))


def _in_force(record: Record[ModelReleased]) -> ModelReleased | None:
    """The release of a record; None when it withdraws."""
    released = record.message
    return None if released is None or released.stage == ModelReleased.STAGE_WITHDRAWN else released
