"""`python -m cvops_trainer.runs.process FOLDER`: trains what `order.json` asks for, and tells in `state.json`."""

import asyncio
import os
import platform
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from cvops_bundles.bundle import Bundle, open_bundle
from cvops_common.errors import CvopsError
from cvops_common.objects import Objects
from cvops_common.tie import die_with
from cvops_datasets.release import read_release
from cvops_trainer.runs.material import Material, material_of
from cvops_trainer.runs.order import (
    STATE,
    STOP,
    UNWRITABLE,
    UNWRITABLE_TEXT,
    RunOrder,
    RunState,
    read_order,
    write_json,
)
from cvops_training.fit import Candidate, Order, train_candidate
from cvops_training.gates import Limits
from cvops_training.loop import Progress, Stopped
from cvops_training.params import as_text, read
from cvops_training.recipe import Recipe, recipe_of

_TELL_EVERY_S = 0.5
_CURVE = 200


class Teller:
    """Keeps `state.json` up to date, twice a second at most."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / STATE
        self._stop = folder / STOP
        self._told_s = 0.0
        self._losses: list[tuple[int, float]] = []
        self._every = 1
        self.state = RunState("running", environment=_environment())

    def on_progress(self, progress: Progress) -> None:
        """A step is done."""
        if progress.step % self._every == 0:
            self._losses.append((progress.step, progress.loss))
        if len(self._losses) > _CURVE:
            self._losses, self._every = self._losses[1::2], 2 * self._every
        self.state = replace(
            self.state,
            step=progress.step,
            steps=progress.steps,
            loss=progress.loss,
            cpu_s=progress.cpu_s,
            losses=tuple(self._losses),
        )
        if not progress.again and time.monotonic() - self._told_s > _TELL_EVERY_S:
            self.tell()

    def on_judging(self) -> None:
        """The training is over."""
        self.state = replace(self.state, phase="judging")
        self.tell()

    def should_stop(self) -> bool:
        """Whether somebody cancelled."""
        return self._stop.exists()

    def tell(self) -> None:
        """Writes the state."""
        self._told_s = time.monotonic()
        write_json(self._path, self.state)

    def end(self, phase: str, text: str) -> None:
        """Writes the last state."""
        self.state = replace(self.state, phase=phase, text=text)
        self.tell()


def main(folder: Path) -> int:
    """Runs to the end; 0: there is a candidate, 1: there is none and `state.json` says why, 74: it cannot say why."""
    order = read_order(folder)
    if order is None:
        sys.exit(f"{folder} holds no order")
    if order.parent_pid:
        die_with(order.parent_pid)
    os.nice(order.nice)
    try:
        return _run(order, folder, Teller(folder))
    except OSError as error:
        sys.stderr.write(f"{UNWRITABLE_TEXT.format(error)}\n")
        return UNWRITABLE


def _run(order: RunOrder, folder: Path, teller: Teller) -> int:
    try:
        teller.tell()
        candidate, corrupt = _train(order, folder, teller)
    except Stopped:
        teller.end("cancelled", f"cancelled at step {teller.state.step} of {teller.state.steps}")
        return 1
    except CvopsError as error:
        teller.end("failed", str(error))
        return 1
    except OSError as error:
        teller.end("failed", UNWRITABLE_TEXT.format(error.strerror))
        return 1
    except MemoryError:
        teller.end("failed", "out of memory: lower batch, or give the trainer more")
        return 1
    told = f"{len(corrupt)} images were left out, e.g. {corrupt[0]}" if corrupt else ""
    teller.state = replace(
        teller.state,
        cpu_s=candidate.cpu_s,
        metrics=dict(candidate.metrics),
        base_metrics=dict(candidate.base_metrics),
        gates=tuple((gate.name, gate.passed, gate.value, gate.limit, gate.note) for gate in candidate.gates),
        bundle=candidate.bundle.name,
        sha256=candidate.sha256,
    )
    teller.end("done", told)
    return 0


def _train(order: RunOrder, folder: Path, teller: Teller) -> tuple[Candidate, tuple[str, ...]]:
    base = asyncio.run(_base(order, folder)) if order.base_uri else None
    usual = recipe_of(order.recipe)
    params = read(usual.defaults(fine_tune=base is not None), order.params)
    recipe = usual.sized(params.size or (max(base.spec.input.network_wh) if base is not None else 0))
    torch.set_num_threads(params.threads)
    teller.state = replace(teller.state, params=as_text(params), steps=params.steps)
    teller.tell()
    material = asyncio.run(_material(order, recipe, base))
    what = Order(
        recipe=recipe,
        params=params,
        classes=material.classes,
        name=order.model,
        base=base,
        limits=Limits(**order.limits),
        lineage={"run": order.run_id, "dataset": order.dataset, "parent": order.base},
        note=f"{order.recipe} on {order.dataset}",
    )
    candidate = train_candidate(
        what,
        material.data,
        folder,
        save_every_s=order.save_every_s,
        on_progress=teller.on_progress,
        on_judging=teller.on_judging,
        should_stop=teller.should_stop,
    )
    return candidate, material.corrupt


async def _base(order: RunOrder, folder: Path) -> Bundle:
    await Objects(order.objects).download(order.base_uri, folder / "base.zip")
    return open_bundle(folder / "base.zip", order.base_sha256)


async def _material(order: RunOrder, recipe: Recipe, base: Bundle | None) -> Material:
    objects = Objects(order.objects)
    dataset = await read_release(objects, order.dataset_uri, order.dataset_sha256)
    old = await read_release(objects, order.replay_uri, order.replay_sha256) if order.replay_uri else None
    champion = base.spec.input if base is not None else None
    return await material_of(objects, dataset, order.episode_id, recipe.input_spec(), old, champion)


def _environment() -> dict[str, str]:
    return {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "free_disk_gb": f"{shutil.disk_usage('.').free / 1e9:.0f}",
    }


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
