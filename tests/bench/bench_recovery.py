"""What a short training regains: 100 labelled frames of a changed world, and what is forgotten of fair weather."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cvops_bundles.bundle import open_bundle
from cvops_local.demo.champion import examples_of, shipped
from cvops_local.demo.examination import changed_world, map50
from cvops_local.demo.story import CHANGED, CLASSES, STORIES
from cvops_training.examples import Example
from cvops_training.fit import Data, Order, train_candidate
from cvops_training.recipe import recipe_of
from tests.bench.table import markdown

WORLDS = ("fog", "snow", "night-ir")
SEEDS = (1, 2, 3)
LABELLED, REPLAYED, TESTED = 100, 200, 120
_RECIPE = recipe_of("detector-tiny")
_HOUR = 11.0


@dataclass(frozen=True, eq=False)
class World:
    """Labelled frames of one scenario's world.

    Attributes:
        new: of the changed cameras, to learn from.
        replay: of the whole fleet in fair weather.
        changed: of the changed cameras, to judge by; fair: likewise, in fair weather.
    """

    new: list[Example]
    replay: list[Example]
    changed: list[Example]
    fair: list[Example]


def main() -> str:
    """Every world with every seed."""
    rows = [_row(name, [_world(name, seed) for seed in SEEDS]) for name in WORLDS]
    rows.append(["to reach", "", "0.60", "", "loss under 0.05", "45"])
    return markdown(
        f"A fine-tune of detector-tiny with {LABELLED} labelled frames: mAP50 on {TESTED} unseen moments, "
        f"{len(SEEDS)} seeds",
        ["world", "before", "after", "fair weather before", "after", "training, CPU-s"],
        rows,
    )


def _world(name: str, seed: int) -> World:
    """Renders it; takes some seconds."""
    scenario = STORIES[name].scenario(0.0, 1)
    mounted, effects = changed_world(scenario, CHANGED)
    return World(
        new=list(examples_of(mounted, LABELLED, seed=1000 + seed, hours=(_HOUR,), effects=effects)),
        replay=list(examples_of(scenario.cameras, REPLAYED, seed=2000 + seed, hours=(_HOUR,))),
        changed=list(examples_of(mounted, TESTED, seed=3000 + seed, hours=(_HOUR,), effects=effects)),
        fair=list(examples_of(mounted, TESTED, seed=3000 + seed, hours=(_HOUR,))),
    )


def _row(name: str, worlds: Sequence[World]) -> list[str]:
    """The means over the seeds, and their range."""
    results = np.array([_result(each, seed) for seed, each in enumerate(worlds)])
    return [name, *(_spread(column, 2) for column in results.T[:4]), _spread(results[:, 4], 0)]


def _result(each: World, seed: int) -> tuple[float, ...]:
    with tempfile.TemporaryDirectory(prefix="cvops-bench-recovery-") as scratch:
        params = _RECIPE.defaults(fine_tune=True)
        order = Order(_RECIPE, params, CLASSES, f"bench-{seed}", open_bundle(shipped()))
        candidate = train_candidate(order, Data(each.new, each.replay, each.changed, each.fair), Path(scratch))
        models = (shipped(), candidate.bundle)
        marks = [map50(model, examples) for examples in (each.changed, each.fair) for model in models]
    return (*marks, candidate.cpu_s)


def _spread(values: np.ndarray, digits: int) -> str:
    return f"{values.mean():.{digits}f} ({values.min():.{digits}f}-{values.max():.{digits}f})"
