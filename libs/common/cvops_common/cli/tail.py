"""`cvops tail`: events as they pass, for people and for programs."""

import asyncio
import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import click
from google.protobuf.json_format import MessageToDict

from cvops_common import events
from cvops_common.cli.context import CommandContext
from cvops_common.cli.describe import describe
from cvops_common.cli.reading import consumer, records
from cvops_common.errors import CvopsError, Rejected
from cvops_common.records import RawRecord, headers_of


@click.command()
@click.argument("topic")
@click.option("--from-beginning", is_flag=True, help="Start with the oldest record instead of the next one.")
@click.option("--until-end", is_flag=True, help="Stop at what is the end now, instead of waiting for more.")
@click.option("--camera", "camera_id", help="Only this camera.")
@click.option("--limit", type=click.IntRange(min=1), help="Stop after so many records.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: key, position, headers, event.")
@click.pass_obj
def tail(
    context: CommandContext,
    topic: str,
    from_beginning: bool,
    until_end: bool,
    camera_id: str | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """Show the events of a TOPIC: frames, predictions, cameras, camera-status, model-released, ...

    \b
    cvops tail predictions                                what happens now
    cvops tail predictions --camera gate-3 --from-beginning --until-end
    cvops tail frames --json | jq .event.captured_at
    """
    show = as_json or context.json

    async def run() -> int:
        shown = 0
        async with consumer(context.connection.kafka, topic) as reader:
            if not until_end:
                context.console.print(f"waiting for {topic}; Ctrl-C ends", style="dim")
            async for raw in records(reader, from_beginning=from_beginning, until_end=until_end):
                if camera_id is not None and _camera_of(raw) != camera_id:
                    continue
                click.echo(json.dumps(as_dict(raw)) if show else as_line(raw))
                shown += 1
                if shown == limit:
                    break
        return shown

    try:
        with suppress(KeyboardInterrupt):
            shown = asyncio.run(run())
            if until_end and not show:
                context.console.print(f"{shown} records", style="dim")
    except CvopsError as error:
        raise click.ClickException(str(error)) from error


def as_dict(raw: RawRecord) -> dict[str, Any]:
    """A record for programs. `event` is protobuf JSON (bytes are base64), or null with `error` when undecodable."""
    headers = headers_of(raw)
    out: dict[str, Any] = {
        "topic": raw.topic,
        "partition": raw.partition,
        "offset": raw.offset,
        "key": (raw.key or b"").decode(errors="replace"),
        "headers": headers,
        "event": None,
    }
    if raw.value is not None:
        try:
            out["event"] = MessageToDict(events.decode(raw.value, headers), preserving_proto_field_name=True)
        except Rejected as error:
            out["error"] = str(error)
    return out


def as_line(raw: RawRecord) -> str:
    """A record for people, on one line."""
    when = datetime.fromtimestamp(raw.timestamp / 1000, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]
    key = click.style((raw.key or b"").decode(errors="replace"), bold=True)
    if raw.value is None:
        return f"{when} {key} withdrawn"
    try:
        return f"{when} {key} {describe(events.decode(raw.value, headers_of(raw)))}"
    except Rejected as error:
        return f"{when} {key} {click.style(str(error), fg='red')}"


def _camera_of(raw: RawRecord) -> str:
    if raw.topic in ("model-released", "projects"):
        return ""
    return (raw.key or b"").decode(errors="replace")
