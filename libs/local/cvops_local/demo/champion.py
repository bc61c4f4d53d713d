"""The first champion of the demo: trained on the fleet in fair weather, with a fixed seed.

`python -m cvops_local.demo.champion` makes the bundle that the simulator ships (`make demo-champion`).
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.progress import Progress as Bar

from cvops_datasets.images import Box, LabelledImage
from cvops_local.demo.story import CLASSES, RENAMED, STORIES
from cvops_sim.fleet import Mounted
from cvops_sim.stills import stills, with_classes
from cvops_sim.truth import FrameTruth
from cvops_training.examples import Example, example_of
from cvops_training.fit import Data, Order, train_candidate
from cvops_training.recipe import recipe_of

NAME = "roads"
HOURS = (8.5, 12.0, 16.0)
_SEED = 1
_TRAIN, _TEST = 1200, 240


def shipped() -> Path:
    """The bundle that comes with the simulator."""
    return Path(str(files("cvops_sim") / "models" / "roads.zip"))


def train_champion(folder: Path, console: Console) -> Path:
    """Renders frames of the fleet, trains detector-tiny from nothing and writes its bundle; gives its path."""
    recipe = recipe_of("detector-tiny")
    cameras = STORIES["snow"].scenario(60.0, 1).cameras
    with Bar(console=console, transient=True) as bar:
        rendering = bar.add_task("frames", total=_TRAIN + _TEST)
        examples = []
        for example in examples_of(cameras, _TRAIN + _TEST, seed=_SEED, hours=HOURS):
            examples.append(example)
            bar.advance(rendering)
        params = recipe.defaults(fine_tune=False)
        training = bar.add_task("training", total=params.steps)
        order = Order(recipe, params, CLASSES, NAME, note="simulated roads in fair weather")
        train, test = examples[:_TRAIN], examples[_TRAIN:]
        candidate = train_candidate(
            order,
            Data(train, [], test, []),
            folder,
            on_progress=lambda now: bar.update(training, completed=now.step),
        )
    metrics = candidate.metrics
    console.print(f"champion: mAP50 {metrics['new.map50']:.3f}, {candidate.cpu_s:.0f} CPU-s, {candidate.bundle.name}")
    return candidate.bundle


def examples_of(
    cameras: Sequence[Mounted],
    count: int,
    *,
    seed: int,
    hours: Sequence[float],
    effects: Mapping[str, float] | None = None,
) -> Iterator[Example]:
    """Labelled frames of random moments as the champion's network sees them; arguments as of `stills`."""
    size = recipe_of("detector-tiny").input_spec()
    for frame in stills(cameras, count, seed=seed, hours=hours, effects=effects):
        yield example_of(frame.picture[:, :, ::-1], label_of(frame.truth), CLASSES, size)


def label_of(truth: FrameTruth) -> LabelledImage:
    """The truth of a frame as a label of a dataset."""
    objects = with_classes(truth, RENAMED).objects
    boxes = tuple(
        Box(thing.class_name, left, top, right - left, bottom - top, ignore=bool(thing.ignored))
        for thing in objects
        for left, top, right, bottom in [thing.xyxy]
    )
    return LabelledImage(
        frame_id=f"{truth.camera_id}-{truth.sequence}",
        camera_id=truth.camera_id,
        captured_at=datetime.fromtimestamp(truth.captured_at_ns / 1e9, UTC),
        asset_sha256="",
        asset_uri="",
        width=truth.width,
        height=truth.height,
        boxes=boxes,
    )


if __name__ == "__main__":
    with TemporaryDirectory(prefix="cvops-champion-") as scratch:
        bundle = train_champion(Path(scratch), Console())
        shipped().parent.mkdir(exist_ok=True)
        shutil.copyfile(bundle, shipped())
