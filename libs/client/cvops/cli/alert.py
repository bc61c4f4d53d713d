"""`cvops alert`: the routes by which people are told."""

from typing import Any

import click
from google.protobuf.json_format import MessageToDict
from rich.markup import escape

from cvops.cli.context import Context, command, page, plain_table
from cvops_protos.v1.alerting_pb2 import Delivery


@click.group()
def alert() -> None:
    """Test the routes of alerts, and see what was sent."""


@alert.command()
@click.option("--project", default="default", show_default=True, help="Of which project.")
@click.option("--route", default="", help="Only by this route.")
@command
def test(context: Context, project: str, route: str) -> None:
    """Send a test message by every route, and tell what the receivers answered."""
    with context.client() as client:
        found = client.alerting.test_routes(project, route)
    context.answer([_plain(each) for each in found], lambda: _show(found))
    if any(each.state != "sent" for each in found):
        raise SystemExit(1)


@alert.command()
@click.option("--incident", "incident_id", default="", metavar="ID", help="Only about this; ID may be cut short.")
@click.option("--limit", default=20, show_default=True, help="At most so many.")
@command
def deliveries(context: Context, incident_id: str, limit: int) -> None:
    """List messages that were sent or wait, newest first."""
    with context.client() as client:
        found = client.alerting.deliveries(incident_id, limit)
    context.answer([_plain(each) for each in found], lambda: _show(found))


def _plain(message: Delivery) -> dict[str, Any]:
    return dict(MessageToDict(message, preserving_proto_field_name=True))


def _show(found: list[Delivery]) -> None:
    table = plain_table("at (UTC)", "incident", "route", "what", "state", "attempts", "answer")
    for each in found:
        at = each.at.ToDatetime().strftime("%m-%d %H:%M:%S")
        row = (at, each.incident_id[:8], each.route, each.what, each.state, str(each.attempts))
        table.add_row(*row, escape(each.answer))
    page().print(table)
