"""`cvops drift`: cameras at a glance, reports, accepted views."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
from google.protobuf.json_format import MessageToDict

from cvops.cli.context import Context, command, page, plain_table
from cvops.cli.main import Commands
from cvops.domain_lines import domain_lines
from cvops_protos.v1.drift_pb2 import CameraDriftStatus, DriftEvent, DriftReport

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SHOWN = 20


@click.group(cls=Commands, prefix="drift.")
def drift() -> None:
    """See what has changed: cameras at a glance, reports with evidence, accepted views."""


@drift.command()
@click.argument("camera", required=False, default="")
@command
def status(context: Context, camera: str) -> None:
    """Show every camera, or CAMERA: warm-up, quiet or alarm."""
    with context.client() as client:
        found = client.drift.status(camera)
    context.answer([_plain(each) for each in found], lambda: _show(found))


@drift.command()
@click.option("--camera", required=True, help="Which camera.")
@click.option("--since", default="7d", show_default=True, help="How far back: 90s, 15m, 6h, 7d.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write one self-contained page too.")
@command
def report(context: Context, camera: str, since: str, html: Path | None) -> None:
    """Tell what changed at a camera, since when, how much, whether it hurts, and why we think so."""
    begin = datetime.now(UTC) - _duration(since)
    with context.client() as client:
        found = client.drift.report(camera, begin)
        if html is not None:
            from cvops.drift_report import exemplars_of, page_of
            from cvops.frame_pictures import images_of

            images = images_of(client, exemplars_of(found))
            html.write_text(page_of(found, datetime.now(UTC), images), encoding="utf-8")
            context.console.print(f"written: {html}")
    context.answer(_plain(found), lambda: _show_report(found))


@drift.command("accept-view")
@click.argument("camera")
@command
def accept_view(context: Context, camera: str) -> None:
    """Take the present view of CAMERA as its reference: it was turned on purpose."""
    with context.client() as client:
        client.drift.accept_view(camera)
    context.answer({"camera": camera, "accepted": True}, lambda: page().print(f"{camera}: present view accepted"))


@drift.command()
@click.argument("camera")
@command
def relearn(context: Context, camera: str) -> None:
    """Take what CAMERA shows from now on as normal: all its signals warm up anew."""
    with context.client() as client:
        client.drift.relearn(camera)
    context.answer({"camera": camera, "relearns": True}, lambda: page().print(f"{camera}: learns a new reference"))


def _duration(text: str) -> timedelta:
    match = re.fullmatch(r"(\d+)([smhd])", text.strip())
    if match is None:
        raise click.BadParameter(f"{text!r} is no duration: expected e.g. 90s, 15m, 6h or 7d", param_hint="--since")
    return timedelta(seconds=int(match[1]) * _UNITS_S[match[2]])


def _plain(message: CameraDriftStatus | DriftReport) -> dict[str, Any]:
    return dict(MessageToDict(message, preserving_proto_field_name=True))


def _show(found: list[CameraDriftStatus]) -> None:
    table = plain_table("camera", "health", "model", "light", "state", "strongest signal", "alarms")
    for camera in found:
        faults = ", ".join(fault.partition(":")[0] for fault in camera.faults)
        health = f"[red]{faults}[/]" if faults else camera.health
        for model in camera.models or [None]:
            if model is None:
                table.add_row(camera.camera_id, health, "-", "-", "-", "-", "-")
                continue
            strongest = max(model.ratios.items(), key=lambda item: item[1], default=("-", 0.0))
            learned = f"{model.stage} {min(1, model.frames / max(model.frames_needed, 1)):.0%}"
            state = "[red]alarm[/]" if model.alarms else (learned if model.stage == "learning" else model.stage)
            table.add_row(
                camera.camera_id,
                health,
                f"{model.model.name}:{model.model.version}",
                model.regime,
                state,
                f"{strongest[0]} {strongest[1]:.2f}",
                ", ".join(model.alarms) or "-",
            )
    page().print(table)
    for camera in found:
        for line in domain_lines(camera):
            page().print(line, highlight=False)
        for problem in camera.problems:
            page().print(f"{camera.camera_id}: {problem}", style="yellow")


def _show_report(report: DriftReport) -> None:
    _show([report.status])
    out = page()
    if not report.events:
        out.print(f"no event; the promise is one false alarm in {report.false_alarm_days:g} days per camera and model")
    for event in report.events[-_SHOWN:]:
        kind = DriftEvent.Kind.Name(event.kind).removeprefix("KIND_").lower()
        state = DriftEvent.State.Name(event.state).removeprefix("STATE_").lower()
        severity = DriftEvent.Severity.Name(event.severity).removeprefix("SEVERITY_").lower()
        at = event.at.ToDatetime().strftime("%Y-%m-%d %H:%M:%S")
        out.print(f"{at}  {kind:10s} {severity:8s} {state:7s} {event.text}", highlight=False)
        if state == "opened":
            for line in [*event.why, *event.coincides]:
                out.print(f"                       {line}", style="dim")
