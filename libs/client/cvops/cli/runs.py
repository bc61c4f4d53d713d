"""`cvops train` and `cvops runs`: trainings as experiments that can be compared."""

import time
from datetime import UTC, datetime
from typing import Any

import click
from google.protobuf.json_format import MessageToDict
from rich.markup import escape
from rich.progress import Progress

from cvops.cli.context import Context, command, page, plain_table
from cvops_protos.v1.training_pb2 import TrainingRun

_ENDED = (
    TrainingRun.STATE_PASSED,
    TrainingRun.STATE_REFUSED,
    TrainingRun.STATE_FAILED,
    TrainingRun.STATE_CANCELLED,
)
_COLOURS = {"passed": "green", "refused": "yellow", "failed": "red", "running": "cyan", "judging": "cyan"}
_LOOK_EVERY_S = 0.5
_MOST = 1000
_BARS = "▁▂▃▄▅▆▇█"
_SPARKLINE = 60


@click.command()
@click.argument("dataset")
@click.option("--project", default="", help="[default: default]")
@click.option("--recipe", default="", help="How to train, e.g. detector-tiny.  [default: of the project]")
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="Of the recipe; repeatable: steps=300.")
@click.option("--base", default="", help="NAME:VERSION to begin from, or none.  [default: what serves the cameras]")
@click.option("--reason", default="", help="Why, in one sentence.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Stay until it has ended.")
@command
def train(
    context: Context,
    dataset: str,
    project: str,
    recipe: str,
    params: tuple[str, ...],
    base: str,
    reason: str,
    wait: bool,
) -> None:
    """Train on DATASET: NAME (its newest version) or NAME:VERSION.

    The candidate goes through the gates and into the registry; it serves nobody until `cvops rollout start` or
    `cvops model release`. Exit status 1 when no model passed.

    \b
    cvops train roads
    cvops train roads:90342cc9963b --param steps=300 --param keep_base=0
    cvops train shop --recipe detector-tiny --base none
    """
    given = dict(_pair(param) for param in params)
    with context.client() as client:
        run = client.training.start(dataset, project=project, recipe=recipe, params=given, base=base, reason=reason)
        if wait and not context.json:
            context.console.print(f"run {run.run_id[:8]}: {run.recipe} on {run.dataset}; Ctrl-C leaves it running")
        with Progress(console=context.console, transient=True, disable=context.json) as bar:
            task = bar.add_task("queued", total=None)
            while wait and run.state not in _ENDED:
                time.sleep(_LOOK_EVERY_S)
                run = client.training.run(run.run_id)
                told = f"{_state(run)}, loss {run.loss:.3f}" if run.step else _state(run)
                bar.update(task, description=told, total=run.steps or None, completed=run.step)
    context.answer(_plain(run), lambda: _show(run))
    if wait and run.state != TrainingRun.STATE_PASSED:
        raise SystemExit(1)


@click.group()
def runs() -> None:
    """Look at trainings and compare them."""


@runs.command("list")
@click.option("--project", default="", help="Only of this project.")
@click.option("--limit", default=20, show_default=True, help="At most so many.")
@command
def show_list(context: Context, project: str, limit: int) -> None:
    """List runs, newest first."""
    with context.client() as client:
        found = client.training.runs(project, limit)
    context.answer([_plain(each) for each in found], lambda: _show_list(found))


@runs.command()
@click.argument("run_id", metavar="ID")
@command
def show(context: Context, run_id: str) -> None:
    """Show a run: parameters, curve, metrics, gates, lineage, cost. ID may be cut short."""
    with context.client() as client:
        found = client.training.run(run_id)
    context.answer(_plain(found), lambda: _show(found))


@runs.command()
@click.argument("run_ids", metavar="ID...", nargs=-1, required=True)
@command
def compare(context: Context, run_ids: tuple[str, ...]) -> None:
    """Show what differs between runs: parameters, data, metrics, cost."""
    with context.client() as client:
        found = [client.training.run(run_id) for run_id in run_ids]
    context.answer([_plain(each) for each in found], lambda: _compare(found))


@runs.command()
@click.option("--project", default="", help="Only of this project.")
@click.option("--metric", default="new.map50", show_default=True, help="What is compared; see `cvops runs show`.")
@click.option("--dataset", default="", help="Only on NAME or NAME:VERSION; other test sets do not compare.")
@click.option("--least", is_flag=True, help="The smallest value is the best.")
@command
def best(context: Context, project: str, metric: str, dataset: str, least: bool) -> None:
    """Show the run with the best value of a metric."""
    with context.client() as client:
        found = [each for each in client.training.runs(project, _MOST) if metric in each.metrics]
    if dataset:
        found = [each for each in found if dataset in (each.dataset, each.dataset.partition(":")[0])]
    if not found:
        raise click.ClickException(
            f"no run has the metric {metric!r}: see `cvops runs show ID` for those that one has, e.g. new.map50"
        )
    sign = -1 if least else 1
    chosen = max(found, key=lambda run: sign * run.metrics[metric])
    context.answer(_plain(chosen), lambda: _show(chosen))


@runs.command()
@click.argument("run_id", metavar="ID")
@command
def cancel(context: Context, run_id: str) -> None:
    """Stop a run; nothing is registered."""
    with context.client() as client:
        found = client.training.cancel(run_id)
    context.answer(_plain(found), lambda: page().print(_asked(found)))


def _asked(run: TrainingRun) -> str:
    ended = run.state in _ENDED
    return f"{run.run_id[:8]} {f'has ended: {_state(run)}' if ended else 'is asked to stop'}"


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.UsageError(f"--param {text!r}: expected NAME=VALUE, e.g. steps=300")
    return name, value


def _plain(run: TrainingRun) -> dict[str, Any]:
    return dict(MessageToDict(run, preserving_proto_field_name=True))


def _state(run: TrainingRun) -> str:
    return TrainingRun.State.Name(run.state).removeprefix("STATE_").lower()


def _coloured(run: TrainingRun) -> str:
    state = _state(run)
    return f"[{_COLOURS[state]}]{state}[/]" if state in _COLOURS else state


def _model(run: TrainingRun) -> str:
    return f"{run.model.name}:{run.model.version}" if run.HasField("model") else "-"


def _base(run: TrainingRun) -> str:
    return f"{run.base.name}:{run.base.version}" if run.HasField("base") else "nothing"


def _map50(run: TrainingRun) -> str:
    known = [name for name in ("clean.map50", "new.map50") if name in run.metrics]
    return ", ".join(
        f"{name.partition('.')[0]} {run.base_metrics.get(name, float('nan')):.2f} -> {run.metrics[name]:.2f}"
        if name in run.base_metrics
        else f"{name.partition('.')[0]} {run.metrics[name]:.2f}"
        for name in known
    )


def _show_list(found: list[TrainingRun]) -> None:
    table = plain_table(
        "run", "state", "begun (UTC)", "recipe", "dataset", "from", "step", "mAP50", "CPU-s", "model", "why"
    )
    for run in found:
        begun = run.started_at.ToDatetime(UTC) if run.HasField("started_at") else None
        table.add_row(
            run.run_id[:8],
            _coloured(run),
            begun.strftime("%m-%d %H:%M:%S") if begun else "-",
            run.recipe,
            run.dataset,
            _base(run),
            f"{run.step}/{run.steps}",
            _map50(run),
            f"{run.cpu_s:.0f}",
            _model(run),
            escape(run.reason),
        )
    page().print(table)


def _show(run: TrainingRun) -> None:
    out = page()
    out.print(f"[bold]{run.run_id}[/]  {_coloured(run)}  {escape(run.text)}")
    lineage = f"{run.recipe} on {run.dataset} ({run.dataset_sha256[:12]}) from {_base(run)} -> {_model(run)}"
    out.print(lineage)
    out.print(f"why: {escape(run.reason)}{f'; episode {run.episode_id[:8]}' if run.episode_id else ''}")
    restarts = f", started anew {run.restarts} times" if run.restarts else ""
    created = run.created_at.ToDatetime(UTC) if run.HasField("created_at") else datetime.now(UTC)
    out.print(
        f"{created:%Y-%m-%d %H:%M:%S} UTC, step {run.step} of {run.steps}, {run.cpu_s:.0f} CPU-s, {run.wall_s:.0f} s "
        f"by the clock{restarts}"
    )
    losses = [point.value for point in run.curve if point.name == "loss"]
    if losses:
        out.print(f"loss {losses[0]:.3f} {_sparkline(losses)} {losses[-1]:.3f}")
    if run.params:
        out.print("parameters: " + ", ".join(f"{name}={run.params[name]}" for name in sorted(run.params)))
    if run.metrics:
        table = plain_table("metric", "base", "candidate")
        for name in sorted(run.metrics):
            before = f"{run.base_metrics[name]:.4f}" if name in run.base_metrics else "-"
            table.add_row(escape(name), before, f"{run.metrics[name]:.4f}")
        out.print(table)
    for gate in run.gates:
        verdict = "[green]passed[/]" if gate.passed else "[red]failed[/]"
        out.print(f"gate {escape(gate.gate)}: {verdict}, {escape(gate.text)}")
    if run.environment:
        out.print(
            "made with: " + ", ".join(f"{name} {run.environment[name]}" for name in sorted(run.environment)),
            style="dim",
        )


def _sparkline(values: list[float]) -> str:
    """Values as bars, at most 60 of them."""
    stride = -(-len(values) // _SPARKLINE)
    thinned = values[::stride]
    low, high = min(thinned), max(thinned)
    return "".join(_BARS[round((value - low) / max(high - low, 1e-12) * (len(_BARS) - 1))] for value in thinned)


def _compare(found: list[TrainingRun]) -> None:
    table = plain_table("", *(run.run_id[:8] for run in found))
    rows = {
        "state": [_coloured(run) for run in found],
        "recipe": [run.recipe for run in found],
        "dataset": [run.dataset for run in found],
        "from": [_base(run) for run in found],
        "model": [_model(run) for run in found],
        "CPU-s": [f"{run.cpu_s:.1f}" for run in found],
    }
    for name in sorted({name for run in found for name in run.params}):
        values = [run.params.get(name, "-") for run in found]
        if len(set(values)) > 1:
            rows[name] = values
    for name in sorted({name for run in found for name in run.metrics}):
        numbers = [run.metrics.get(name) for run in found]
        best_of = min if name.endswith("_ms") else max
        top = best_of(number for number in numbers if number is not None)
        rows[name] = [
            "-" if number is None else f"[bold]{number:.4f}[/]" if number == top else f"{number:.4f}"
            for number in numbers
        ]
    for name, cells in rows.items():
        table.add_row(name, *cells)
    page().print(table)
