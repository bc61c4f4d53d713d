"""What comes from the bus and what goes to it."""

from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from aiokafka import ConsumerRecord
from google.protobuf.message import Message

from cvops_common import events

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Record(Generic[M]):
    """One event as it was read.

    Attributes:
        message: the body; None for a tombstone.
        key: as text.
        topic: where it was read,
        partition: in which partition,
        offset: and at which position.
        traceparent: W3C trace context of the step that published it; empty: none.
        correlation_id: the episode it belongs to; empty: none.
    """

    message: M | None
    key: str
    topic: str
    partition: int
    offset: int
    traceparent: str = ""
    correlation_id: str = ""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One event to publish; the topic follows from the type of the message."""

    message: Message
    key: str
    traceparent: str = ""
    correlation_id: str = ""


RawRecord: TypeAlias = ConsumerRecord


def headers_of(raw: RawRecord) -> dict[str, str]:
    """Headers as text; bytes that are no UTF-8 are replaced, so that no header can stop a reader."""
    return {name: (value or b"").decode(errors="replace") for name, value in raw.headers}


def read(raw: RawRecord) -> Record[Any]:
    """The event in a raw record.

    Raises:
        BadRecord: it cannot be decoded.
    """
    headers = headers_of(raw)
    return Record(
        message=None if raw.value is None else events.decode(raw.value, headers),
        key=(raw.key or b"").decode(errors="replace"),
        topic=raw.topic,
        partition=raw.partition,
        offset=raw.offset,
        traceparent=headers.get("traceparent", ""),
        correlation_id=headers.get("ce_correlationid", ""),
    )
