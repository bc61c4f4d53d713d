"""Releases: which model holds which slot of a project. Every change is one `model-released` event."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from pymongo.asynchronous.client_session import AsyncClientSession

from cvops_common.errors import BadArgument, NotFound
from cvops_common.ids import check_name
from cvops_common.mongo import Document, MongoStore, mongo_errors
from cvops_common.outbox import Outbox
from cvops_common.selectors import Selector
from cvops_common.telemetry import logger
from cvops_protos.v1.model_pb2 import ModelReleased
from cvops_protos.v1.trainer_pb2 import ModelVersion
from cvops_trainer.registry import Registry

log = logger(__name__)

DEFAULT_PROJECT = "default"
DEFAULT_SLOT = "champion"

_SERVING = (ModelReleased.STAGE_SHADOW, ModelReleased.STAGE_CANARY, ModelReleased.STAGE_CHAMPION)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller wants released.

    Attributes:
        model: "name" or "name:version".
        project: empty means "default".
        slot: empty means "champion".
        stage: shadow, canary or champion; unspecified means champion.
        selector: which cameras; empty means all.
        percent: share of the selected cameras, 1..100.
        reason: why, in one sentence.
    """

    model: str
    project: str = ""
    slot: str = ""
    stage: int = ModelReleased.STAGE_UNSPECIFIED
    selector: str = ""
    percent: int = 100
    reason: str = ""


class Releases:
    """The slots of all projects and the history of each."""

    def __init__(self, mongo: MongoStore, outbox: Outbox, registry: Registry) -> None:
        self._slots = mongo.db["slots"]
        self._log = mongo.db["release_log"]
        self._outbox = outbox
        self._registry = registry

    async def serving(self) -> list[ModelReleased]:
        """The newest release of every slot that holds a model."""
        with mongo_errors():
            return [ModelReleased.FromString(slot["now"]) async for slot in self._slots.find().sort("_id", 1)]

    async def release(self, wish: Wish) -> ModelReleased:
        """Puts a model into a slot.

        Raises:
            NotFound: no such model. BadArgument: a name, stage, selector or percentage that cannot be used.
        """
        version = await self._registry.find(wish.model)
        stage = next((known for known in _SERVING if known == (wish.stage or ModelReleased.STAGE_CHAMPION)), None)
        if stage is None:
            raise BadArgument("a model is released as shadow, canary or champion; use rollback or withdraw otherwise")
        if not 0 <= wish.percent <= 100:
            raise BadArgument(f"percent is {wish.percent}, expected 1 to 100")
        Selector.parse(wish.selector)
        released = ModelReleased(
            project=check_name("project", wish.project or DEFAULT_PROJECT),
            slot=check_name("slot", wish.slot or DEFAULT_SLOT),
            stage=stage,
            bundle_uri=version.bundle_uri,
            percent=wish.percent or 100,
            selector=wish.selector,
            reason=wish.reason or "released by hand",
        )
        _name_model(released, version)
        return await self._put(released)

    async def step(self, released: ModelReleased, release_id: str, correlation_id: str) -> ModelReleased:
        """Makes a release of a rollout, once: a second call with the same id changes nothing.

        Args:
            released: with project, slot, stage, model, bundle, selector, percent, reason.
            release_id: deterministic, of the rollout and what it does.
            correlation_id: the episode it belongs to.
        """
        with mongo_errors():
            done = await self._log.find_one({"_id": release_id})
        if done is not None:
            return ModelReleased.FromString(done["now"])
        return await self._put(released, release_id, correlation_id)

    async def log(self, project: str, before: datetime) -> list[ModelReleased]:
        """Every release of a project up to a time, oldest first."""
        with mongo_errors():
            found = await self._log.find().to_list()
        releases = [ModelReleased.FromString(document["now"]) for document in found]
        mine = [each for each in releases if each.project == project and each.released_at.ToDatetime(UTC) <= before]
        return sorted(mine, key=lambda each: each.released_at.ToNanoseconds())

    async def rollback(self, project: str, slot: str, reason: str) -> ModelReleased:
        """Gives a slot back to the model that held it before.

        Raises:
            NotFound: the slot is empty or had no model before.
        """
        now = await self._now(project, slot)
        if not now.HasField("previous"):
            raise NotFound(f"slot {now.project}/{now.slot} had no model before {now.model.name}:{now.model.version}")
        back = ModelReleased()
        back.CopyFrom(now)
        back.stage = ModelReleased.STAGE_ROLLED_BACK
        back.model.CopyFrom(now.previous)
        back.bundle_uri = now.previous_bundle_uri
        back.reason = reason or "rolled back by hand"
        return await self._put(back)

    async def withdraw(self, project: str, slot: str, reason: str) -> ModelReleased:
        """Empties a slot; NotFound when it is empty."""
        now = await self._now(project, slot)
        now.stage = ModelReleased.STAGE_WITHDRAWN
        now.reason = reason or "withdrawn by hand"
        return await self._put(now)

    async def _now(self, project: str, slot: str) -> ModelReleased:
        key = f"{project or DEFAULT_PROJECT}/{slot or DEFAULT_SLOT}"
        with mongo_errors():
            document = await self._slots.find_one({"_id": key})
        if document is None:
            raise NotFound(f"slot {key} holds no model: see `cvops model list`")
        return ModelReleased.FromString(document["now"])

    async def _put(self, released: ModelReleased, release_id: str = "", correlation_id: str = "") -> ModelReleased:
        """Writes the change and its event in one transaction."""
        key = f"{released.project}/{released.slot}"
        released.release_id = release_id or uuid4().hex
        released.released_at.FromDatetime(datetime.now(UTC))
        withdrawn = released.stage == ModelReleased.STAGE_WITHDRAWN

        async def write(session: AsyncClientSession) -> None:
            before: Mapping[str, bytes] | None = await self._slots.find_one({"_id": key}, session=session)
            if not withdrawn:
                _remember_previous(released, before)
            change: Document = {"now": released.SerializeToString()}
            if withdrawn:
                await self._slots.delete_one({"_id": key}, session=session)
            else:
                await self._slots.replace_one({"_id": key}, change, upsert=True, session=session)
            await self._log.insert_one({"_id": released.release_id, "slot": key} | change, session=session)
            await self._outbox.add(released, key=key, session=session, correlation_id=correlation_id)
            if withdrawn:
                await self._outbox.add(released, key=key, session=session, tombstone=True)

        await self._outbox.write(write)
        log.info(
            "model released",
            model=f"{released.model.name}:{released.model.version}",
            slot=key,
            stage=ModelReleased.Stage.Name(released.stage),
            reason=released.reason,
        )
        return released


def _remember_previous(released: ModelReleased, before: Mapping[str, bytes] | None) -> None:
    """What the slot held before. The same model released again keeps what was before it."""
    released.ClearField("previous")
    released.previous_bundle_uri = ""
    if before is None:
        return
    old = ModelReleased.FromString(before["now"])
    if old.model.bundle_sha256 != released.model.bundle_sha256:
        released.previous.CopyFrom(old.model)
        released.previous_bundle_uri = old.bundle_uri
    elif old.HasField("previous"):
        released.previous.CopyFrom(old.previous)
        released.previous_bundle_uri = old.previous_bundle_uri


def _name_model(released: ModelReleased, version: ModelVersion) -> None:
    released.model.name = version.name
    released.model.version = version.version
    released.model.bundle_sha256 = version.bundle_sha256
