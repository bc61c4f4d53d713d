"""`cvops sim`: a fleet of cameras whose truth is known. What is heavy is imported when a command runs."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cvops.cli.context import Context, command, page
from cvops.cli.endings import ending_in_order

if TYPE_CHECKING:
    from rich.progress import Progress

    from cvops_sim.scenario import Scenario
    from cvops_sim.score import Row


@click.group()
def sim() -> None:
    """Simulated road cameras with exact truth: try thresholds, alarms and models before the first real camera.

    \b
    cvops sim preview --output effects.png          what can happen
    cvops sim run snow                              push a scenario that is shipped, in real time
    cvops tail predictions --from-beginning --until-end --json > said.jsonl
    cvops sim score snow-truth.jsonl said.jsonl     how good the model is, by camera, class and minute

    A scenario is a YAML file:

    \b
    duration: 3m
    fps: 5
    hour: 11
    fleet:
      - {site: north, kind: suburb, cameras: 3, firmware: "2.0"}
    effects:
      - {effect: snow, where: {site: north}, start: 40s, ramp: 10s, magnitude: 1, end: 2m}
    """


@sim.command()
@click.argument("scenario")
@click.option("--truth", type=click.Path(path_type=Path), help="Where the truth goes.  [default: SCENARIO-truth.jsonl]")
@click.option("--realtime/--fast", default=True, help="At its own speed, or as fast as it goes.  [default: realtime]")
@command
def run(context: Context, scenario: str, truth: Path | None, realtime: bool) -> None:
    """Push the cameras of SCENARIO, a file or the name of one that is shipped, into the platform.

    The cameras are registered with site and firmware, then each sends through an edge agent of its own, as real ones
    do. The truth of every frame is written as JSON lines, named by camera and capture time. Ctrl-C or SIGTERM ends the
    cameras and waits for the last answers; a second one leaves at once.
    """
    from cvops_sim.play import play

    loaded = _load(scenario)
    path = truth or Path(f"{loaded.name}-truth.jsonl")
    stop = threading.Event()
    with (
        ending_in_order(stop.set),
        context.client() as client,
        _bar(context, loaded.name, len(loaded.cameras) * loaded.frames) as (progress, task),
    ):
        played = play(
            loaded,
            client,
            path,
            realtime=realtime,
            on_progress=lambda now: progress.update(task, completed=now.captured) if progress else None,
            stop=stop,
        )
    answer = {"captured": played.captured, "acknowledged": played.acknowledged, "truth": str(path)}
    words = f"{played.acknowledged} of {played.captured} frames acknowledged; truth in {path}"
    context.answer(answer | {"failures": played.failures}, lambda: context.console.print(words))
    if played.failures:
        raise click.ClickException("; ".join(f"{camera}: {why}" for camera, why in sorted(played.failures.items())))


@sim.command()
@click.argument("scenario", required=False)
@click.option("--at", "at_s", type=float, help="Seconds into the scenario.  [default: its end]")
@click.option("--boxes/--no-boxes", default=False, help="Draw the true boxes.")
@click.option("--seed", default=4, show_default=True, help="Which camera, when no scenario is given.")
@click.option("--output", type=click.Path(path_type=Path), default="preview.png", show_default=True)
@command
def preview(context: Context, scenario: str | None, at_s: float | None, boxes: bool, seed: int, output: Path) -> None:
    """Write a picture of all cameras of SCENARIO at a moment; without it, of every effect on one camera."""
    import cv2

    from cvops_sim.preview import SHOWN, sheet_of_effects, sheet_of_scenario

    loaded = _load(scenario) if scenario else None
    count = len(loaded.cameras) if loaded else len(SHOWN)
    with _bar(context, "preview", count) as (progress, task):

        def on_tile() -> None:
            if progress:
                progress.advance(task)

        if loaded:
            at_s = loaded.duration_s if at_s is None else at_s
            sheet = sheet_of_scenario(loaded, at_s, boxes=boxes, on_tile=on_tile)
        else:
            sheet = sheet_of_effects(seed, boxes=boxes, on_tile=on_tile)
    try:
        written = cv2.imwrite(str(output), sheet)
    except cv2.error:
        written = False
    if not written:
        raise click.ClickException(f"{output} cannot be written: expected a name that ends in .png or .jpg")
    context.answer({"picture": str(output)}, lambda: context.console.print(f"written to {output}"))


@sim.command()
@click.argument("scenario")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(["video", "images"]), default="video", show_default=True)
@command
def export(context: Context, scenario: str, folder: Path, form: str) -> None:
    """Write the frames of SCENARIO into FOLDER, with truth.jsonl and coco.json beside them."""
    from cvops_sim.export import export as export_to

    loaded = _load(scenario)
    with _bar(context, loaded.name, len(loaded.cameras) * loaded.frames) as (progress, task):
        export_to(loaded, folder, video=form == "video", on_frame=lambda: progress.advance(task) if progress else None)
    answer = {"folder": str(folder), "cameras": len(loaded.cameras), "frames": len(loaded.cameras) * loaded.frames}
    context.answer(answer, lambda: context.console.print(f"{len(loaded.cameras)} cameras written to {folder}"))


@sim.command()
@click.argument("truth", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--project", default="default", show_default=True, help="Whose tasks.")
@click.option("--classes", help="Classes that are labelled: a file with a name a line, or names with commas.")
@click.option("--map", "renamed", multiple=True, metavar="TRUTH=CLASS", help="Rename a class, e.g. van=car.")
@click.option("--for", "for_s", type=float, help="Stop after so many seconds.  [default: at Ctrl-C]")
@command
def oracle(
    context: Context, truth: Path, project: str, classes: str | None, renamed: tuple[str, ...], for_s: float | None
) -> None:
    """Label tasks of the platform from TRUTH, which `cvops sim run` is writing: people who know everything."""
    import time

    from cvops_sim.objects.kinds import CLASSES
    from cvops_sim.oracle import TruthFollower, label_tasks

    end_s = time.monotonic() + (for_s if for_s is not None else float("inf"))
    with context.client() as client, TruthFollower(truth) as truths:
        done = label_tasks(
            client,
            truths,
            project=project,
            classes=_names(classes) if classes else CLASSES,
            renamed=dict(_pair(each) for each in renamed),
            stop=lambda: time.monotonic() > end_s,
        )
    answer = {"labelled": done.labelled, "skipped": done.skipped}
    context.answer(answer, lambda: context.console.print(f"{done.labelled} frames labelled, {done.skipped} skipped"))


@sim.command()
@click.argument("truth", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("predictions", type=click.File())
@click.option(
    "--classes", help="Class names of the model in their order: a file, or a,b,c.  [default: the simulator's]"
)
@click.option("--map", "renamed", multiple=True, metavar="MODEL=TRUTH", help="Rename a class, e.g. person=pedestrian.")
@click.option("--threshold", default=0.3, show_default=True, help="Score from which a detection counts.")
@click.option("--by-minute", is_flag=True, help="Minutes too, counted from the first frame.")
@command
def score(
    context: Context,
    truth: Path,
    predictions: Any,
    classes: str | None,
    renamed: tuple[str, ...],
    threshold: float,
    by_minute: bool,
) -> None:
    """Compare PREDICTIONS with TRUTH: COCO's AP, recall, false positives.

    PREDICTIONS are what `cvops tail predictions --json` prints; - reads them from standard input. Frames are matched by
    camera and capture time; predictions of shadows do not count.
    """
    from cvops_sim.objects.kinds import CLASSES
    from cvops_sim.predictions import read_predictions
    from cvops_sim.score import score_table
    from cvops_sim.truth_file import read_truth

    names = _names(classes) if classes else CLASSES
    pairs = dict(_pair(each) for each in renamed)
    said = [each for each in read_predictions(predictions, names, pairs) if each.role in ("champion", "challenger")]
    asked = [name for name in CLASSES if name in {pairs.get(name, name) for name in names}]
    rows = score_table(read_truth(truth), said, threshold=threshold, classes=asked, by_minute=by_minute)
    if not any(row.score.frames for row in rows):
        raise click.ClickException(
            f"no frame of {truth} has a prediction: were these predictions made of this run? expected the same camera "
            "ids and capture times"
        )
    context.answer(rows, lambda: _show(rows))


@sim.command()
@command
def effects(context: Context) -> None:
    """List every effect, with what magnitude 1 means."""
    from rich.table import Table

    from cvops_sim.effects.registry import EFFECTS

    table = Table("effect", "acts on", "what happens", "magnitude", "range")
    for kind in EFFECTS.values():
        table.add_row(kind.name, kind.acts_on, kind.doc, kind.magnitude, f"{kind.lowest:g} to {kind.highest:g}")
    listed = [
        {"name": kind.name, "acts_on": kind.acts_on.value, "doc": kind.doc, "magnitude": kind.magnitude}
        for kind in EFFECTS.values()
    ]
    context.answer(listed, lambda: page().print(table))


def _load(where: str) -> "Scenario":
    from cvops_sim.scenario import load

    return load(where)


def _names(given: str) -> tuple[str, ...]:
    path = Path(given)
    return tuple(path.read_text().splitlines()) if path.is_file() else tuple(given.split(","))


def _pair(given: str) -> tuple[str, str]:
    name, equals, other = given.partition("=")
    if not equals:
        raise click.BadParameter(f"{given!r} is no MODEL=TRUTH", param_hint="--map")
    return name, other


def _show(rows: "list[Row]") -> None:
    from rich.table import Table

    def share(value: float) -> str:
        return "-" if value != value else f"{value:.3f}"

    table = Table(
        "camera", "minute", "class", "frames", "objects", "AP50", "AP", "recall", "precision", "false a frame"
    )
    for row in rows:
        found = row.score
        minute = "all" if row.minute is None else str(row.minute)
        numbers = (found.ap50, found.ap, found.recall, found.precision, found.false_positives)
        table.add_row(
            row.camera_id, minute, row.class_name, str(found.frames), str(found.objects), *map(share, numbers)
        )
    page().print(table)


@contextmanager
def _bar(context: Context, what: str, total: int) -> "Iterator[tuple[Progress | None, Any]]":
    """A progress bar on standard error; none when that is no terminal or the answer is for programs."""
    if context.json or not sys.stderr.isatty():
        yield None, None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=context.console) as progress:
        yield progress, progress.add_task(what, total=total)
