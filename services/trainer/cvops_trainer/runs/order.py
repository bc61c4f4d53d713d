"""What a run process is told, and what it tells: files in the run's folder, written whole or not at all."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

ORDER, STATE, STOP, LOG = "order.json", "state.json", "stop", "log.txt"
UNWRITABLE = 74
"""Exit code of a process that could not even write its state (EX_IOERR)."""
UNWRITABLE_TEXT = "the scratch folder cannot be written: {}; free space or move scratch_dir"


@dataclass(frozen=True, slots=True)
class RunOrder:
    """What is asked for.

    Attributes:
        run_id: identifies it.
        project: whose.
        recipe: by name.
        params: over the recipe's defaults, as text.
        model: name of the model that comes of it.
        dataset: "name:version",
        dataset_uri: where its manifest lies,
        dataset_sha256: and the manifest's hash.
        episode_id: whose labels are the new ones; empty: all labels are new.
        base_uri: bundle to begin from, below the root of the object store; empty: none.
        base_sha256: of it.
        base: "name:version" of it.
        limits: of the gates, by name.
        objects: URL of the object store.
        replay_uri: where the manifest of the dataset lies that old images are taken from as well; empty: nowhere,
        replay_sha256: and the manifest's hash.
        save_every_s: seconds between two checkpoints.
        nice: how far it stands back behind other processes, 0 to 19.
        parent_pid: the process that must live.
        reached: the step that the processes before this one came to.
        fruitless: how many of them in a row, up to the last one, came no further than those before.
    """

    run_id: str
    project: str
    recipe: str
    params: Mapping[str, str]
    model: str
    dataset: str
    dataset_uri: str
    dataset_sha256: str
    episode_id: str
    base_uri: str
    base_sha256: str
    base: str
    limits: Mapping[str, float]
    objects: str
    replay_uri: str = ""
    replay_sha256: str = ""
    save_every_s: float = 5.0
    nice: int = 0
    parent_pid: int = 0
    reached: int = 0
    fruitless: int = 0


@dataclass(frozen=True, slots=True)
class RunState:
    """How far a process is.

    Attributes:
        phase: "running", "judging", "done", "failed" or "cancelled".
        step: finished steps, of `steps`.
        steps: in all.
        loss: of the last one.
        cpu_s: CPU time, restarts included.
        losses: thinned to at most 200 (step, loss).
        params: every parameter that is used.
        metrics, base_metrics: of the candidate and its base.
        gates: each as (name, passed, value, limit, text).
        bundle: file of the candidate, in the run's folder; empty: none.
        sha256: of it.
        text: what went wrong and what to do; or what is worth knowing.
        environment: versions and machine.
    """

    phase: str
    step: int = 0
    steps: int = 0
    loss: float = 0.0
    cpu_s: float = 0.0
    losses: tuple[tuple[int, float], ...] = ()
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    base_metrics: Mapping[str, float] = field(default_factory=dict)
    gates: tuple[tuple[str, bool, float, float, str], ...] = ()
    bundle: str = ""
    sha256: str = ""
    text: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of the process."""
        return self.phase in ("done", "failed", "cancelled")


def write_json(path: Path, value: RunOrder | RunState) -> None:
    """Writes a file that a reader sees whole; OSError when it cannot."""
    scratch = path.with_suffix(".part")
    with scratch.open("w") as file:
        json.dump(asdict(value), file)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def read_order(folder: Path) -> RunOrder | None:
    """The order in a run's folder; None when there is none yet."""
    try:
        return RunOrder(**json.loads((folder / ORDER).read_text()))
    except (FileNotFoundError, NotADirectoryError):
        return None


def next_try(order: RunOrder, before: RunOrder | None, state: RunState | None) -> RunOrder:
    """The order for the next process of a run.

    Args:
        order: what is asked for.
        before: the order of the process before it; None: it is the first one.
        state: what that one told last; None: nothing.
    """
    if before is None:
        return order
    told = state.step if state is not None else 0
    fruitless = 0 if told > before.reached else before.fruitless + 1
    return replace(order, reached=max(told, before.reached), fruitless=fruitless)


def read_state(folder: Path) -> RunState | None:
    """How far the process is; None before it has said anything."""
    try:
        found: dict[str, Any] = json.loads((folder / STATE).read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    found["losses"] = tuple((int(step), float(loss)) for step, loss in found["losses"])
    found["gates"] = tuple(tuple(gate) for gate in found["gates"])
    return RunState(**found)
