"""Runs: at most a few at a time, each in a process of its own."""

import asyncio
import os
import shutil
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from cvops_common.errors import BadArgument, Conflict, CvopsError
from cvops_common.rounds import Rounds
from cvops_common.telemetry import logger
from cvops_protos.v1.training_pb2 import TrainingRun
from cvops_trainer.fleet import Fleet
from cvops_trainer.registry import Registry
from cvops_trainer.runs.changes import end, state_of, take
from cvops_trainer.runs.order import (
    LOG,
    ORDER,
    STOP,
    UNWRITABLE,
    UNWRITABLE_TEXT,
    RunOrder,
    RunState,
    next_try,
    read_order,
    read_state,
    write_json,
)
from cvops_trainer.runs.store import RunStore
from cvops_trainer.settings import TrainerSettings

log = logger(__name__)

_LOOK_EVERY_S = 0.5
_TELL_EVERY_S = 1.0
_STOP_S = 10.0
_MOST_FRUITLESS = 3
"""So many processes in a row may die without getting further than those before them."""

OnPassed = Callable[[TrainingRun], Awaitable[None]]


class Runs:
    """Starts runs, watches their processes and registers what comes of them."""

    def __init__(
        self,
        store: RunStore,
        registry: Registry,
        fleet: Fleet,
        settings: TrainerSettings,
        on_passed: OnPassed,
    ) -> None:
        """`on_passed` is told of every run of an episode whose model passed; it must bear being told twice.

        It is told again as long as it raises Conflict or an error that goes by.
        """
        self._store = store
        self._registry = registry
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

    def wake(self) -> None:
        """A run was queued."""
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
        order = RunOrder(**(await self._store.order(run.run_id) | {"parent_pid": os.getpid()}))
        order = next_try(order, read_order(folder), state)
        if order.fruitless >= _MOST_FRUITLESS:
            text = f"its process ended {order.fruitless} times at step {order.reached}: see {folder / LOG} for why"
            await self._store.fail(run.run_id, text)
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / ORDER, order)
        except OSError as error:
            await self._store.fail(run.run_id, UNWRITABLE_TEXT.format(error.strerror))
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
        if state is None or (state.step == run.step and state_of(state) == run.state):
            return
        self._told_s[run.run_id] = now_s
        await self._store.change(run.run_id, lambda each: take(each, state))

    async def _finish(self, run: TrainingRun, code: int) -> None:
        """The process is gone: with a result, with a reason, or without a word, and then it is started again."""
        self._told_s.pop(run.run_id, None)
        folder = self._folder(run.run_id)
        state = read_state(folder)
        if code == UNWRITABLE:
            await self._store.fail(run.run_id, UNWRITABLE_TEXT.format("not even the state of the run"))
            shutil.rmtree(folder, ignore_errors=True)
            return
        if state is None or not state.ended:
            log.warning("run process ended without a word", run=run.run_id, code=code)
            return
        if state.phase != "done":
            kind = TrainingRun.STATE_CANCELLED if state.phase == "cancelled" else TrainingRun.STATE_FAILED

            def ended(each: TrainingRun) -> bool:
                take(each, state)
                end(each, kind, state.text)
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
            await self._store.fail(run.run_id, f"its bundle was refused: {error}")
            return
        passed = all(gate[1] for gate in state.gates)

        def done(each: TrainingRun) -> bool:
            take(each, state)
            each.model.name, each.model.version = version.name, version.version
            each.model.bundle_sha256 = version.bundle_sha256
            failed = [gate[4] for gate in state.gates if not gate[1]]
            text = "; ".join(failed) if failed else state.text
            end(each, TrainingRun.STATE_PASSED if passed else TrainingRun.STATE_REFUSED, text)
            return True

        await self._store.change(run.run_id, done)
        log.info("run ended", run=run.run_id, model=f"{version.name}:{version.version}", passed=passed)

    def _folder(self, run_id: str) -> Path:
        return self._settings.scratch_dir / "runs" / run_id

    # -- people ------------------------------------------------------------------------------------------------

    async def cancel(self, run_id: str) -> TrainingRun:
        """Asks a run to stop; one that waits is cancelled at once, one that has ended stays as it is."""
        run = await self._store.get(run_id)
        if run.run_id in self._processes:
            (self._folder(run.run_id) / STOP).touch()
            return run

        def cancelled(each: TrainingRun) -> bool:
            end(each, TrainingRun.STATE_CANCELLED, "cancelled before it began")
            return True

        return await self._store.change(run.run_id, cancelled) or run

    async def newest(self, project: str, limit: int) -> list[TrainingRun]:
        """Runs, newest first."""
        return await self._store.newest(project, limit)

    async def get(self, run_id: str) -> TrainingRun:
        """One run; NotFound when there is none."""
        if not run_id:
            raise BadArgument("no run is named: see `cvops runs list`")
        return await self._store.get(run_id)
