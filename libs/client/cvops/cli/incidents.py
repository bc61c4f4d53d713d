"""`cvops incidents`: what somebody must know."""

import getpass
from typing import Any

import click
from google.protobuf.json_format import MessageToDict
from rich.markup import escape

from cvops.cli.context import Context, command, page, plain_table
from cvops_protos.v1.alerting_pb2 import Incident
from cvops_protos.v1.drift_pb2 import DriftEvent

_STATES = ("pending", "firing", "acknowledged", "resolved")
_COLOURS = {"firing": "red", "acknowledged": "yellow", "resolved": "green"}


@click.group()
def incidents() -> None:
    """Look at incidents, acknowledge and resolve them."""


@incidents.command("list")
@click.option("--project", default="", help="Only of this project.")
@click.option("--state", "states", multiple=True, type=click.Choice(_STATES), help="Only in this state; repeatable.")
@click.option("--limit", default=20, show_default=True, help="At most so many.")
@command
def show_list(context: Context, project: str, states: tuple[str, ...], limit: int) -> None:
    """List incidents, newest first."""
    with context.client() as client:
        found = client.alerting.incidents(project, states, limit)
    context.answer([_plain(each) for each in found], lambda: _show_list(found))


@incidents.command()
@click.argument("incident_id", metavar="ID")
@command
def show(context: Context, incident_id: str) -> None:
    """Show an incident with its alarms; ID may be cut short."""
    with context.client() as client:
        found = client.alerting.incident(incident_id)
    context.answer(_plain(found), lambda: _show(found))


@incidents.command()
@click.argument("incident_id", metavar="ID")
@click.option("--note", default="", help="What is known of it.")
@command
def ack(context: Context, incident_id: str, note: str) -> None:
    """Acknowledge an incident: you look after it."""
    with context.client() as client:
        found = client.alerting.acknowledge(incident_id, getpass.getuser(), note)
    context.answer(_plain(found), lambda: _show(found))


@incidents.command()
@click.argument("incident_id", metavar="ID")
@click.option("--note", default="", help="How it ended.")
@command
def resolve(context: Context, incident_id: str, note: str) -> None:
    """Resolve an incident: it is over."""
    with context.client() as client:
        found = client.alerting.resolve(incident_id, getpass.getuser(), note)
    context.answer(_plain(found), lambda: _show(found))


def _plain(message: Incident) -> dict[str, Any]:
    return dict(MessageToDict(message, preserving_proto_field_name=True))


def _state(found: Incident) -> str:
    state = Incident.State.Name(found.state).removeprefix("STATE_").lower()
    return f"[{_COLOURS[state]}]{state}[/]" if state in _COLOURS else state


def _severity(value: DriftEvent.Severity.ValueType) -> str:
    return DriftEvent.Severity.Name(value).removeprefix("SEVERITY_").lower()


def _show_list(found: list[Incident]) -> None:
    table = plain_table("incident", "project", "kind", "state", "severity", "since (UTC)", "what")
    for each in found:
        since = each.since.ToDatetime().strftime("%m-%d %H:%M:%S")
        row = (each.incident_id[:8], each.project, each.kind, _state(each), _severity(each.severity), since)
        table.add_row(*row, escape(each.title))
    page().print(table)


def _show(found: Incident) -> None:
    out = page()
    out.print(f"[bold]{found.incident_id}[/]  {_state(found)}  {_severity(found.severity)}  {escape(found.title)}")
    for name, value in (("by", found.by), ("note", found.note), ("episode", found.episode_id)):
        if value:
            out.print(f"{name}: {escape(value)}")
    if found.shared:
        out.print(f"shared: {escape(', '.join(found.shared))}")
    table = plain_table("since (UTC)", "camera", "signal", "state", "what")
    for alarm in found.alarms:
        state = DriftEvent.State.Name(alarm.state).removeprefix("STATE_").lower()
        since = alarm.since.ToDatetime().strftime("%H:%M:%S")
        table.add_row(since, alarm.camera_id, alarm.signal, state, escape(alarm.text))
    out.print(table)
