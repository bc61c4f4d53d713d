"""`cvops dlq`: dead letters, looked at and replayed."""

import asyncio
import json
from collections.abc import Coroutine
from typing import Any, TypeVar

import click
from aiokafka import AIOKafkaProducer
from rich.markup import escape
from rich.table import Table

from cvops_common.cli.context import CommandContext
from cvops_common.cli.reading import consumer, records, topics
from cvops_common.errors import BadArgument, CvopsError
from cvops_common.records import RawRecord, headers_of

T = TypeVar("T")

_SUFFIX = ".dlq"


@click.group()
def dlq() -> None:
    """Look at records that could not be handled, and give them another try.

    A record that a service can never handle goes to <topic>.<service>.dlq with its origin, error and attempts.
    """


@dlq.command("list")
@click.argument("topic", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_obj
def list_(context: CommandContext, topic: str | None, as_json: bool) -> None:
    """Show dead letters, of one TOPIC (e.g. frames.inference.dlq) or of all."""

    async def run() -> list[RawRecord]:
        kafka = context.connection.kafka
        names = [topic] if topic else [name for name in await topics(kafka) if name.endswith(_SUFFIX)]
        return await _read(kafka, *names) if names else []

    letters = _finish(run())
    if as_json or context.json:
        for raw in letters:
            click.echo(json.dumps(_as_dict(raw)))
        return
    table = Table("dead letter", "key", "origin", "attempts", "reason", "error", "at")
    for raw in letters:
        letter = _as_dict(raw)
        table.add_row(
            f"{raw.topic}@{raw.offset}",
            *(escape(str(letter[name])) for name in ("key", "origin", "attempts", "reason", "error", "at")),
        )
    context.console.print(table if letters else "no dead letters")


@dlq.command()
@click.argument("topic")
@click.option(
    "--offset", type=click.IntRange(min=0), multiple=True, help="Only the letter at this offset (repeatable)."
)
@click.option("--all", "everything", is_flag=True, help="All letters of the topic.")
@click.pass_obj
def replay(context: CommandContext, topic: str, offset: tuple[int, ...], everything: bool) -> None:
    """Publish dead letters of TOPIC again to where they came from.

    \b
    cvops dlq list frames.inference.dlq
    cvops dlq replay frames.inference.dlq --offset 3

    Every service that reads the origin sees them again; effects are idempotent. The letters stay until they expire.
    """
    if not topic.endswith(_SUFFIX):
        raise click.UsageError(f"{topic} is no dead-letter topic: expected <topic>.<service>.dlq")
    if everything == bool(offset):
        raise click.UsageError("say which letters: --offset N, or --all")

    async def run() -> int:
        letters = await _read(context.connection.kafka, topic)
        chosen = [raw for raw in letters if everything or raw.offset in offset]
        if missing := set(offset) - {raw.offset for raw in chosen}:
            raise BadArgument(f"{topic} has no letter at offset {sorted(missing)}: see `cvops dlq list {topic}`")
        await _publish(context.connection.kafka, chosen)
        return len(chosen)

    context.console.print(f"{_finish(run())} records replayed")


async def _read(kafka: str, *names: str) -> list[RawRecord]:
    async with consumer(kafka, *names) as reader:
        letters = [raw async for raw in records(reader, from_beginning=True, until_end=True)]
    return sorted(letters, key=lambda raw: (raw.topic, raw.partition, raw.offset))


async def _publish(kafka: str, letters: list[RawRecord]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        for raw in letters:
            headers = [(name, value) for name, value in raw.headers if not name.startswith("dlq-")]
            await producer.send_and_wait(
                headers_of(raw)["dlq-origin-topic"], raw.value, key=raw.key, headers=[*headers, ("dlq-replayed", b"1")]
            )
    finally:
        await producer.stop()


def _as_dict(raw: RawRecord) -> dict[str, Any]:
    headers = headers_of(raw)
    origin = "{}-{}@{}".format(*(headers.get(f"dlq-origin-{part}", "?") for part in ("topic", "partition", "offset")))
    return {
        "topic": raw.topic,
        "offset": raw.offset,
        "key": (raw.key or b"").decode(errors="replace"),
        "origin": origin,
        "attempts": int(headers.get("dlq-attempts", 0)),
        "reason": headers.get("dlq-reason", ""),
        "error": headers.get("dlq-error", ""),
        "at": headers.get("dlq-at", ""),
        "bytes": len(raw.value or b""),
    }


def _finish(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except CvopsError as error:
        raise click.ClickException(str(error)) from error
