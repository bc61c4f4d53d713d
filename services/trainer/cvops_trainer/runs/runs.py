"""Runs: asked for by hand or by a new dataset; at most a few at a time, each in a process of its own."""

import asyncio
import os
import shutil
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Self
from uuid import uuid4

from cvops_common.errors import BadArgument, Conflict, CvopsError, NotFound, Overloaded
from cvops_common.rounds import Rounds
from cvops_common.telemetry import logger
from cvops_protos.v1.labeling_pb2 import DatasetReleased
from cvops_protos.v1.model_pb2 import ModelReleased
from cvops_protos.v1.project_pb2 import Project
from cvops_protos.v1.trainer_pb2 import ModelVersion
from cvops_protos.v1.training_pb2 import GateResult, TrainingRun
from cvops_trainer.fleet import Fleet
from cvops_trainer.registry import Registry
from cvops_trainer.releases import DEFAULT_PROJECT, Releases
from cvops_trainer.runs.order import (
    LOG,
    ORDER,
    STOP,
    UNWRITABLE,
    UNWRITABLE_TEXT,
    RunOrder,
    RunState,
    read_state,
    write_json,
)
from cvops_trainer.runs.store import RunStore
from cvops_trainer.settings import TrainerSettings

log = logger(__name__)

_LOOK_EVERY_S = 0.5
_TELL_EVERY_S = 1.0
_STOP_S = 10.0
_MOST_RESTARTS = 3
_MOST_QUEUED = 100

OnPassed = Callable[[TrainingRun], Awaitable[None]]


class Runs:
    """Starts runs, watches their processes and registers what comes of them."""

    def __init__(
        self,
        store: RunStore,
        registry: Registry,
        releases: Releases,
        fleet: Fleet,
        settings: TrainerSettings,
        on_passed: OnPassed,
    ) -> None:
        """`on_passed` is told of every run of an episode whose model passed; it must bear being told twice.

        It is told again as long as it raises Conflict or an error that goes by.
        """
        self._store = store
        self._registry = registry
        self._releases = releases
        self._fleet = fleet
        self._settings = settings
        self._on_passed = on_passed
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._told_s: dict[str, float] = {}
        self._waiting: set[str] = set()
        self._rounds = Rounds(self._look, every_s=_LOOK_EVERY_S, what="runs", stop_s=_STOP_S)

    async def __aenter__(self) -> Self:
        await self._rounds.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._rounds.__aexit__(None, None, None)
        for process in self._processes.values():
            if process.returncode is None:
                process.kill()  # its checkpoint is there; the next start goes on
                await process.wait()

    # -- asking ------------------------------------------------------------------------------------------------

    async def start(
        self,
        project: str,
        dataset: str,
        *,
        recipe: str = "",
        params: Mapping[str, str] | None = None,
        base: str = "",
        reason: str = "",
    ) -> TrainingRun:
        """Queues a run.

        Args:
            project: empty means "default".
            dataset: "name" or "name:version".
            recipe: empty: of the project.
            params: over those of the project.
            base: "name:version" to begin from; empty: the champion; "none": from nothing.
            reason: why, in one sentence.

        Raises:
            NotFound: no such dataset or model, or none of the name that the project replays.
            Overloaded: a hundred runs wait already.
        """
        found = await self._store.dataset(project or DEFAULT_PROJECT, dataset)
        wish = self._fleet.project(found.project)
        version = await self._base(found, base)
        run = self._new(
            uuid4().hex, found, wish, version, recipe or wish.training.recipe, reason or "asked for by hand"
        )
        given = dict(wish.training.params) | dict(params or {})
        await self._queue(run, found, wish, version, given, episode_id="")
        return run

    async def on_datasets(self, datasets: Sequence[DatasetReleased]) -> None:
        """Learns datasets; one of an episode is trained on at once."""
        for dataset in datasets:
            await self._store.learn(dataset)
            if not dataset.episode_id:
                continue
            wish = self._fleet.project(dataset.project)
            version = await self._base(dataset, "")
            run_id = sha256(f"{dataset.episode_id}\0{dataset.manifest_sha256}".encode()).hexdigest()[:32]
            reason = f"labels of episode {dataset.episode_id[:8]}"
            run = self._new(run_id, dataset, wish, version, wish.training.recipe, reason)
            run.episode_id = dataset.episode_id
            params = dict(wish.training.params)
            await self._queue(run, dataset, wish, version, params, episode_id=dataset.episode_id)

    async def cancel(self, run_id: str) -> TrainingRun:
        """Asks a run to stop; one that waits is cancelled at once, one that has ended stays as it is."""
        run = await self._store.get(run_id)
        if run.run_id in self._processes:
            (self._folder(run.run_id) / STOP).touch()
            return run

        def cancelled(each: TrainingRun) -> bool:
            _end(each, TrainingRun.STATE_CANCELLED, "cancelled before it began")
            return True

        return await self._store.change(run.run_id, cancelled) or run

    async def _base(self, dataset: DatasetReleased, wished: str) -> ModelVersion | None:
        if wished == "none":
            return None
        if wished:
            return await self._registry.find(wished)
        releases = await self._releases.serving()
        release = self._fleet.serving_most(releases, dataset.project, list(dataset.cameras))
        return None if release is None else await self._registry.find(_named(release))

    def _new(
        self, run_id: str, dataset: DatasetReleased, wish: Project, base: ModelVersion | None, recipe: str, reason: str
    ) -> TrainingRun:
        run = TrainingRun(
            run_id=run_id,
            project=dataset.project,
            state=TrainingRun.STATE_QUEUED,
            recipe=recipe,
            reason=reason,
            dataset=f"{dataset.name}:{dataset.version}",
            dataset_uri=dataset.manifest_uri,
            dataset_sha256=dataset.manifest_sha256,
            replay=wish.training.replay,
            cameras=dataset.cameras,
        )
        if base is not None:
            run.base.name, run.base.version, run.base.bundle_sha256 = base.name, base.version, base.bundle_sha256
        return run

    async def _queue(
        self,
        run: TrainingRun,
        dataset: DatasetReleased,
        wish: Project,
        base: ModelVersion | None,
        params: Mapping[str, str],
        episode_id: str,
    ) -> None:
        if len(await self._store.unfinished()) >= _MOST_QUEUED:
            raise Overloaded(f"{_MOST_QUEUED} runs wait already: cancel some with `cvops runs cancel`")
        limits = {
            "most_clean_loss": wish.release.most_clean_loss,
            "least_gain": wish.release.least_gain,
            "most_class_loss": wish.release.most_class_loss,
            "most_latency_ratio": wish.release.most_latency_ratio,
        }
        old, missing = None, ""
        try:
            old = await self._store.dataset(run.project, wish.training.replay) if wish.training.replay else None
        except NotFound as error:
            if not episode_id:
                raise
            missing = f"the dataset that the project replays is not there: {error}"
        order = RunOrder(
            run_id=run.run_id,
            project=run.project,
            recipe=run.recipe,
            params=params,
            model=_model_name(dataset, wish, base),
            dataset=run.dataset,
            dataset_uri=run.dataset_uri,
            dataset_sha256=run.dataset_sha256,
            episode_id=episode_id,
            base_uri=base.bundle_uri if base is not None else "",
            base_sha256=base.bundle_sha256 if base is not None else "",
            base=f"{base.name}:{base.version}" if base is not None else "",
            limits=limits,
            objects=self._settings.objects,
            replay_uri=old.manifest_uri if old is not None else "",
            replay_sha256=old.manifest_sha256 if old is not None else "",
            save_every_s=self._settings.save_every_s,
        )
        if await self._store.add(run, asdict(order)):
            log.info("run queued", run=run.run_id, dataset=run.dataset, recipe=run.recipe)
            if missing:
                await self._fail(run, missing)
        self._rounds.wake()

    # -- watching ----------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        for run in await self._store.unfinished():
            process = self._processes.get(run.run_id)
            if process is None:
                if len(self._processes) < self._settings.runs_at_once and not self._is_held(run):
                    await self._begin(run)
            elif process.returncode is None:
                await self._tell(run)
            else:
                del self._processes[run.run_id]
                await self._finish(run, process.returncode)
        for run in await self._store.to_try():
            await self._try(run)

    async def _try(self, run: TrainingRun) -> None:
        """Tells of a run that passed, until it was heard: after a crash, and when another rollout was in the way."""
        try:
            await self._on_passed(run)
        except CvopsError as error:
            if error.retryable or isinstance(error, Conflict):
                if run.run_id not in self._waiting:
                    log.warning("a model waits for its trial", run=run.run_id, error=str(error))
                self._waiting.add(run.run_id)
                return
            log.error("a model cannot be tried", run=run.run_id, error=str(error))
        self._waiting.discard(run.run_id)
        await self._store.tried(run.run_id)

    def _is_held(self, run: TrainingRun) -> bool:
        """The hand brake holds runs of episodes that have not begun."""
        return bool(run.episode_id) and not run.HasField("started_at") and self._fleet.paused(run.project)

    async def _begin(self, run: TrainingRun) -> None:
        folder = self._folder(run.run_id)
        state = read_state(folder)
        if state is not None and state.ended:
            await self._finish(run, 0)  # it ended while nobody looked
            return
        if run.restarts >= _MOST_RESTARTS:
            text = f"its process ended {run.restarts} times without a word: see {LOG} of the run's folder for why"
            await self._fail(run, text)
            return
        order = RunOrder(**(await self._store.order(run.run_id) | {"parent_pid": os.getpid()}))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / ORDER, order)
        except OSError as error:
            await self._fail(run, UNWRITABLE_TEXT.format(error.strerror))
            return
        with (folder / LOG).open("ab") as output:
            self._processes[run.run_id] = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "cvops_trainer.runs.process", str(folder),
                stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
                env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )  # fmt: skip

        def begun(each: TrainingRun) -> bool:
            each.restarts += each.HasField("started_at")
            if not each.HasField("started_at"):
                each.started_at.FromDatetime(datetime.now(UTC))
            each.state = TrainingRun.STATE_RUNNING
            return True

        await self._store.change(run.run_id, begun)
        log.info("run begun", run=run.run_id, restarts=run.restarts)

    async def _tell(self, run: TrainingRun) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s - self._told_s.get(run.run_id, 0.0) < _TELL_EVERY_S:
            return
        state = read_state(self._folder(run.run_id))
        if state is None or (state.step == run.step and _state_of(state) == run.state):
            return
        self._told_s[run.run_id] = now_s
        await self._store.change(run.run_id, lambda each: _take(each, state))

    async def _finish(self, run: TrainingRun, code: int) -> None:
        """The process is gone: with a result, with a reason, or without a word, and then it is started again."""
        self._told_s.pop(run.run_id, None)
        folder = self._folder(run.run_id)
        state = read_state(folder)
        if code == UNWRITABLE:
            await self._fail(run, UNWRITABLE_TEXT.format("not even the state of the run"))
            shutil.rmtree(folder, ignore_errors=True)
            return
        if state is None or not state.ended:
            log.warning("run process ended without a word", run=run.run_id, code=code)
            return
        if state.phase != "done":
            kind = TrainingRun.STATE_CANCELLED if state.phase == "cancelled" else TrainingRun.STATE_FAILED

            def ended(each: TrainingRun) -> bool:
                _take(each, state)
                _end(each, kind, state.text)
                return True

            await self._store.change(run.run_id, ended)
        else:
            await self._register(run, state, folder)
        shutil.rmtree(folder, ignore_errors=True)

    async def _register(self, run: TrainingRun, state: RunState, folder: Path) -> None:
        try:
            version = await self._registry.add_file(state.sha256, folder / state.bundle)
        except CvopsError as error:
            if error.retryable:
                self._processes.pop(run.run_id, None)
                raise
            await self._fail(run, f"its bundle was refused: {error}")
            return
        passed = all(gate[1] for gate in state.gates)

        def done(each: TrainingRun) -> bool:
            _take(each, state)
            each.model.name, each.model.version = version.name, version.version
            each.model.bundle_sha256 = version.bundle_sha256
            failed = [gate[4] for gate in state.gates if not gate[1]]
            text = "; ".join(failed) if failed else state.text
            _end(each, TrainingRun.STATE_PASSED if passed else TrainingRun.STATE_REFUSED, text)
            return True

        await self._store.change(run.run_id, done)
        log.info("run ended", run=run.run_id, model=f"{version.name}:{version.version}", passed=passed)

    async def _fail(self, run: TrainingRun, text: str) -> None:
        def failed(each: TrainingRun) -> bool:
            _end(each, TrainingRun.STATE_FAILED, text)
            return True

        await self._store.change(run.run_id, failed)

    def _folder(self, run_id: str) -> Path:
        return self._settings.scratch_dir / "runs" / run_id

    # -- looking -----------------------------------------------------------------------------------------------

    async def newest(self, project: str, limit: int) -> list[TrainingRun]:
        """Runs, newest first."""
        return await self._store.newest(project, limit)

    async def get(self, run_id: str) -> TrainingRun:
        """One run; NotFound when there is none."""
        if not run_id:
            raise BadArgument("no run is named: see `cvops runs list`")
        return await self._store.get(run_id)


def _state_of(state: RunState) -> TrainingRun.State.ValueType:
    return TrainingRun.STATE_JUDGING if state.phase == "judging" else TrainingRun.STATE_RUNNING


def _take(run: TrainingRun, state: RunState) -> bool:
    """Copies what the process told into the run."""
    run.state = _state_of(state)
    run.step, run.steps, run.loss, run.cpu_s = state.step, state.steps, state.loss, state.cpu_s
    run.wall_s = (datetime.now(UTC) - run.started_at.ToDatetime(UTC)).total_seconds()
    for target, source in ((run.params, state.params), (run.environment, state.environment)):
        target.clear()
        target.update(source)
    for numbers, values in ((run.metrics, state.metrics), (run.base_metrics, state.base_metrics)):
        numbers.clear()
        numbers.update(values)
    del run.curve[:], run.gates[:]
    run.curve.extend(TrainingRun.Point(step=step, name="loss", value=loss) for step, loss in state.losses)
    run.gates.extend(
        GateResult(gate=name, passed=passed, value=value, limit=limit, text=text)
        for name, passed, value, limit, text in state.gates
    )
    return True


def _end(run: TrainingRun, state: TrainingRun.State.ValueType, text: str) -> None:
    run.state, run.text = state, text
    run.ended_at.FromDatetime(datetime.now(UTC))


def _model_name(dataset: DatasetReleased, wish: Project, base: ModelVersion | None) -> str:
    """The next version of its base; a model of other classes is another model, named by its dataset."""
    if base is None or (wish.classes and list(wish.classes) != list(base.classes)):
        return dataset.name
    return base.name


def _named(release: ModelReleased) -> str:
    return f"{release.model.name}:{release.model.version}"
