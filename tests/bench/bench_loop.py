"""The loop, closed and proven: every scenario of `cvops demo` with three seeds (about 80 minutes).

Each run is a platform of its own: Kafka, MongoDB, six services, six cameras, an oracle. What has been measured of a
commit is kept in `out/bench-loop.jsonl`, so that a run that was broken off goes on. "Changed world" and "fair weather"
are the mAP50 of the champion and of the new model on 60 moments of the changed cameras that nobody has seen.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cvops_local.demo.story import STORIES
from tests.bench.table import markdown

_SEEDS = (1, 2, 3)
_RESULTS = Path("out/bench-loop.jsonl")
_LONGEST_S = 900
_HEADER = (
    "scenario", "seed", "as it must", "detected", "labels", "model", "canary", "champion", "recovered",
    "live mAP50 before", "worst", "after", "changed world", "fair weather", "frames labelled", "training, CPU-s",
)  # fmt: skip
_MILESTONES = ("detection", "labels", "model", "canary", "champion", "recovery")


def main() -> str:
    """The table of all runs, and how many ended as they must."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    _RESULTS.parent.mkdir(exist_ok=True)
    known = {(each["commit"], each["story"], each["seed"]): each for each in _kept()}
    # Every scenario once, and then again: a run that is broken off has seen all of them.
    for seed in _SEEDS:
        for name in STORIES:
            key = (commit, name, seed)
            if key not in known:
                known[key] = _run(name, seed) | {"commit": commit}
                with _RESULTS.open("a") as file:
                    file.write(json.dumps(known[key]) + "\n")
            complaints = known[key]["complaints"]
            print(f"{name} {seed}: {'; '.join(complaints) or 'as it must'}", file=sys.stderr, flush=True)
    outcomes = [known[commit, name, seed] for name in STORIES for seed in _SEEDS]
    well = sum(not each["complaints"] for each in outcomes)
    title = f"The loop: {well} of {len(outcomes)} runs ended as they must; seconds after the true change"
    return markdown(title, _HEADER, [_row(each) for each in outcomes])


def _kept() -> Iterator[dict[str, Any]]:
    if _RESULTS.exists():
        yield from map(json.loads, _RESULTS.read_text().splitlines())


def _run(name: str, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="cvops-bench-loop-") as scratch:
        command = [
            sys.executable, "-m", "cvops", "demo", "--scenario", name, "--seed", str(seed), "--json",
            "--report", f"{scratch}/report.html",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST_S, check=False)
    try:
        outcome: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        return {"story": name, "seed": seed, "complaints": [f"it broke off: {done.stderr.strip()[-300:]}"]}
    return outcome


def _row(outcome: dict[str, Any]) -> list[str]:
    seconds = outcome.get("seconds", {})
    times = [f"{seconds[name]:.0f} s" if name in seconds else "-" for name in _MILESTONES]
    accuracies = [_number(outcome.get(name)) for name in ("before", "during", "after")]
    accuracies += [_marks(outcome, world) for world in ("changed", "fair")]
    verdict = "; ".join(outcome["complaints"]) or "yes"
    cost = [str(outcome.get("labels", 0)), f"{outcome.get('train_cpu_s', 0.0):.0f}"]
    return [outcome["story"], str(outcome["seed"]), verdict, *times, *accuracies, *cost]


def _marks(outcome: dict[str, Any], world: str) -> str:
    """mAP50 of the champion and of the new model on moments that nobody has seen."""
    marks = [outcome.get("old"), outcome.get("new")]
    return " -> ".join(_number(mark[world]) for mark in marks if mark) or "-"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
