"""Rollouts: begun by a run that passed or by hand, moved by their evidence, ended by it or by people."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Self

from cvops_common.errors import BadArgument, Conflict
from cvops_common.records import Record
from cvops_common.rounds import Rounds
from cvops_common.telemetry import logger
from cvops_protos.v1.labeling_pb2 import Label
from cvops_protos.v1.prediction_pb2 import Prediction
from cvops_protos.v1.trainer_pb2 import ModelVersion
from cvops_protos.v1.training_pb2 import Rollout, TrainingRun
from cvops_trainer.fleet import Fleet
from cvops_trainer.registry import Registry
from cvops_trainer.releases import DEFAULT_PROJECT, Releases
from cvops_trainer.rollouts.decision import Step, decide, log_threshold
from cvops_trainer.rollouts.pairs import Pairs
from cvops_trainer.rollouts.stage import Stage
from cvops_trainer.rollouts.steps import Bundles, canary_of, release_id, releases_of, slot_of
from cvops_trainer.rollouts.store import OPEN, RolloutStore, now

log = logger(__name__)

_LOOK_EVERY_S = 1.0
_SAVE_EVERY_S = 5.0
_NEXT = {
    Rollout.STATE_SHADOW: Rollout.STATE_CANARY,
    Rollout.STATE_CANARY: Rollout.STATE_PROMOTED,
    Rollout.STATE_PROMOTED: Rollout.STATE_CONFIRMED,
}
_STAGES = {Rollout.STATE_SHADOW: "shadow", Rollout.STATE_CANARY: "canary", Rollout.STATE_PROMOTED: "promoted"}


class _Open:
    """A rollout under way, in memory."""

    def __init__(self, rollout: Rollout, stage: Stage, bundles: Bundles, classes: Sequence[str]) -> None:
        self.rollout = rollout
        self.stage = stage
        self.bundles = bundles
        self.pairs = Pairs(rollout.candidate.bundle_sha256, rollout.champion.bundle_sha256, classes)
        self.saved_s = 0.0

    @property
    def since_ns(self) -> int:
        return self.rollout.stage_since.ToNanoseconds()


class Rollouts:
    """All rollouts of the platform; one replica of the trainer moves them."""

    def __init__(self, store: RolloutStore, registry: Registry, releases: Releases, fleet: Fleet) -> None:
        self._store = store
        self._registry = registry
        self._releases = releases
        self._fleet = fleet
        self._open: dict[str, _Open] = {}
        self._lock = asyncio.Lock()
        self._rounds = Rounds(self._look_now, every_s=_LOOK_EVERY_S, what="rollouts")

    async def __aenter__(self) -> Self:
        for rollout, stage in await self._store.open():
            await self._watch(rollout, Stage.from_state(dict(stage)) if stage else Stage())
        await self._rounds.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._rounds.__aexit__(None, None, None)

    # -- beginning ---------------------------------------------------------------------------------------------

    async def begin(self, run: TrainingRun) -> None:
        """Tries the model of an episode's run, on the cameras it is for; told twice it begins once.

        Raises:
            Conflict: another rollout has one of the cameras.
        """
        rollout_id = sha256(f"run\0{run.run_id}".encode()).hexdigest()[:32]
        version = await self._registry.find(f"{run.model.name}:{run.model.version}")
        reason = f"{version.name}:{version.version} passed its gates"
        await self._begin(rollout_id, run.project, version, list(run.cameras), reason, run)

    async def start(self, project: str, model: str, cameras: Sequence[str], reason: str) -> Rollout:
        """Tries a registered model by hand.

        Raises:
            NotFound: no such model. BadArgument: no such camera, nothing serves yet, or it serves already.
            Conflict: another rollout has one of the cameras.
        """
        version = await self._registry.find(model)
        when = datetime.now(UTC).isoformat()
        rollout_id = sha256(f"hand\0{project}\0{model}\0{when}".encode()).hexdigest()[:32]
        return await self._begin(
            rollout_id, project or DEFAULT_PROJECT, version, list(cameras), reason or "asked for by hand", None
        )

    async def _begin(
        self,
        rollout_id: str,
        project: str,
        version: ModelVersion,
        cameras: Sequence[str],
        reason: str,
        run: TrainingRun | None,
    ) -> Rollout:
        async with self._lock:
            known = [camera.camera_id for camera in self._fleet.cameras(project)]
            if unknown := set(cameras) - set(known):
                raise BadArgument(
                    f"project {project!r} has no camera {', '.join(sorted(unknown))}: see `cvops camera list`"
                )
            chosen = sorted(cameras) or known
            if not chosen:
                raise BadArgument(f"project {project!r} has no camera to try a model on: see `cvops camera add`")
            for other in self._open.values():
                if other.rollout.rollout_id != rollout_id and (shared := set(other.rollout.cameras) & set(chosen)):
                    raise Conflict(
                        f"rollout {other.rollout.rollout_id[:8]} has {', '.join(sorted(shared))}: wait for its end, or "
                        "`cvops rollout stop` it"
                    )
            champion = self._fleet.serving_most(await self._releases.serving(), project, chosen)
            if champion is None:
                raise BadArgument(
                    f"nothing serves project {project!r} yet: release a first model with `cvops model release`"
                )
            if champion.model.bundle_sha256 == version.bundle_sha256:
                raise BadArgument(f"{version.name}:{version.version} serves these cameras already")
            rollout = Rollout(
                rollout_id=rollout_id,
                project=project,
                episode_id=run.episode_id if run is not None else "",
                run_id=run.run_id if run is not None else "",
                state=Rollout.STATE_SHADOW,
                champion=champion.model,
                champion_slot=champion.slot,
                cameras=chosen,
                serving=chosen,
                slot=slot_of(rollout_id, set(chosen) == set(known)),
                text=reason,
            )
            rollout.candidate.name, rollout.candidate.version = version.name, version.version
            rollout.candidate.bundle_sha256 = version.bundle_sha256
            rollout.created_at.FromDatetime(now())
            rollout.stage_since.CopyFrom(rollout.created_at)
            if await self._store.add(rollout):
                await self._watch(rollout, Stage())
                await self._release(self._open[rollout_id])
            return await self._store.get(rollout_id)

    async def _watch(self, rollout: Rollout, stage: Stage) -> None:
        candidate = await self._registry.find(f"{rollout.candidate.name}:{rollout.candidate.version}")
        champion = await self._registry.find(f"{rollout.champion.name}:{rollout.champion.version}")
        bundles = Bundles(candidate.bundle_uri, champion.bundle_uri)
        self._open[rollout.rollout_id] = _Open(rollout, stage, bundles, list(candidate.classes))

    # -- evidence ----------------------------------------------------------------------------------------------

    async def observe(self, records: Sequence[Record[Any]]) -> None:
        """Predictions and labels of cameras that are in a rollout."""
        if not self._open:
            return
        for record in records:
            message = record.message
            for each in self._open.values():
                if record.key not in each.rollout.serving:
                    continue
                if isinstance(message, Prediction) and message.captured_at.ToNanoseconds() >= each.since_ns:
                    each.stage.take(each.pairs.on_prediction(message))
                elif isinstance(message, Label):
                    each.stage.take(each.pairs.on_label(message))

    async def look(self, at: datetime) -> None:
        """Decides about every open rollout."""
        async with self._lock:
            for each in list(self._open.values()):
                await self._move(each, at)

    async def _move(self, each: _Open, at: datetime) -> None:
        await self._release(each)
        rollout, policy = each.rollout, self._fleet.project(each.rollout.project).release
        in_stage_s = (at - rollout.stage_since.ToDatetime(UTC)).total_seconds()
        evidence = each.stage.evidence(each.pairs.unanswered(each.since_ns))
        decision = decide(rollout.state, evidence, policy, in_stage_s)
        forward = decision.step is Step.FORWARD
        if forward and (rollout.held or policy.by_hand or self._fleet.paused(rollout.project)):
            forward = False  # a way back stays open whatever is held
        if forward:
            await self._enter(each, _NEXT[rollout.state], decision.text)
        elif decision.step is Step.BACK:
            await self._enter(each, Rollout.STATE_ROLLED_BACK, decision.text)
        elif asyncio.get_running_loop().time() - each.saved_s > _SAVE_EVERY_S:
            await self._save(each)

    async def _enter(self, each: _Open, state: Rollout.State.ValueType, text: str) -> None:
        rollout = each.rollout
        await self._note_evidence(each)
        policy = self._fleet.project(rollout.project).release
        rollout.state, rollout.text = state, text
        rollout.stage_since.FromDatetime(now())
        if state == Rollout.STATE_CANARY:
            del rollout.serving[:]
            rollout.serving.extend(canary_of(rollout.cameras, policy.canary_share))
        elif state == Rollout.STATE_PROMOTED:
            del rollout.serving[:]
            rollout.serving.extend(rollout.cameras)
        if state not in OPEN:
            rollout.ended_at.CopyFrom(rollout.stage_since)
        each.stage = Stage()
        # The state is durable before its releases: a crash in between makes them at the next start.
        if state not in OPEN:
            await self._release(each)
        await self._store.save(rollout, each.stage.to_state())
        await self._release(each)
        log.info("rollout", rollout=rollout.rollout_id, state=Rollout.State.Name(state), text=text)
        if state not in OPEN:
            self._open.pop(rollout.rollout_id, None)

    async def _release(self, each: _Open) -> None:
        """Makes the releases of the present stage that are not made yet."""
        rollout = each.rollout
        serving = {f"{release.project}/{release.slot}" for release in await self._releases.serving()}
        for release in releases_of(rollout, each.bundles):
            identity = release_id(rollout, release)
            if identity in rollout.release_ids:
                continue
            if release.stage == release.STAGE_WITHDRAWN and f"{release.project}/{release.slot}" not in serving:
                continue
            if release.stage == release.STAGE_ROLLED_BACK and not _was_promoted(rollout):
                continue
            await self._releases.step(release, identity, rollout.episode_id)
            rollout.release_ids.append(identity)

    async def _save(self, each: _Open) -> None:
        each.saved_s = asyncio.get_running_loop().time()
        await self._note_evidence(each)
        await self._store.save(each.rollout, each.stage.to_state())

    async def _note_evidence(self, each: _Open) -> None:
        rollout, stage = each.rollout, _STAGES[each.rollout.state]
        earlier = [evidence for evidence in rollout.evidence if evidence.stage != stage]
        threshold = log_threshold(self._fleet.project(rollout.project).release)
        del rollout.evidence[:]
        rollout.evidence.extend([*earlier, *each.stage.messages(stage, threshold)])

    async def _look_now(self) -> None:
        await self.look(datetime.now(UTC))

    # -- people ------------------------------------------------------------------------------------------------

    async def newest(self, project: str, limit: int) -> list[Rollout]:
        """Rollouts, newest first."""
        return await self._store.newest(project, limit)

    async def get(self, rollout_id: str) -> Rollout:
        """One rollout, by its id or the beginning of it; NotFound when there is none."""
        if not rollout_id:
            raise BadArgument("no rollout is named: see `cvops rollout list`")
        return await self._store.get(rollout_id)

    async def hold(self, rollout_id: str, held: bool, reason: str) -> Rollout:
        """Holds a rollout where it is, or lets it go on. Bad evidence rolls it back even when it is held.

        Raises:
            NotFound: there is none. BadArgument: it has ended.
        """
        async with self._lock:
            each = await self._under_way(rollout_id)
            each.rollout.held = held
            each.rollout.text = reason or ("held by hand" if held else "goes on")
            await self._save(each)
            return each.rollout

    async def stop(self, rollout_id: str, reason: str) -> Rollout:
        """Rolls back, whatever the evidence; raises as `hold` does."""
        async with self._lock:
            each = await self._under_way(rollout_id)
            await self._enter(each, Rollout.STATE_ROLLED_BACK, reason or "stopped by hand")
            return each.rollout

    async def _under_way(self, rollout_id: str) -> _Open:
        found = await self._store.get(rollout_id)
        each = self._open.get(found.rollout_id)
        if each is None:
            state = Rollout.State.Name(found.state).removeprefix("STATE_").lower()
            raise BadArgument(
                f"rollout {found.rollout_id[:8]} has ended ({state}): begin another with `cvops rollout start`"
            )
        return each


def _was_promoted(rollout: Rollout) -> bool:
    """Whether the candidate had come into the slot that it was to take."""
    promoted = Rollout()
    promoted.CopyFrom(rollout)
    promoted.state = Rollout.STATE_PROMOTED
    made = {release_id(promoted, each) for each in releases_of(promoted, Bundles("", "")) if each.slot == rollout.slot}
    return bool(made & set(rollout.release_ids))
