"""CloudEvents in Kafka's binary mode."""

from datetime import datetime

import pytest

from cvops_common import events
from cvops_common.errors import BadRecord
from cvops_common.topics import TOPICS
from cvops_protos.v1.frame_pb2 import Frame
from cvops_protos.v1.image_pb2 import ImageStats


def test_headers_name_type_source_time_and_trace() -> None:
    headers = events.headers(events.type_of(Frame()), "ingest", traceparent="00-1-2-01", correlation_id="episode-1")
    assert headers["ce_specversion"] == "1.0"
    assert headers["ce_type"] == "cvops.frame.v1"
    assert headers["ce_source"] == "/cvops/ingest"
    assert headers["content-type"] == "application/protobuf"
    assert headers["traceparent"] == "00-1-2-01"
    assert headers["ce_correlationid"] == "episode-1"
    assert datetime.fromisoformat(headers["ce_time"]).utcoffset() is not None


def test_every_event_id_is_its_own() -> None:
    kind = events.type_of(Frame())
    assert len({events.headers(kind, "ingest")["ce_id"] for _ in range(100)}) == 100


def test_a_message_survives_the_round_trip() -> None:
    frame = Frame(frame_id="a", camera_id="gate", sequence=7)
    assert events.decode(frame.SerializeToString(), {"ce_type": "cvops.frame.v1"}) == frame


@pytest.mark.parametrize(
    ("body", "headers", "reason"),
    [
        (b"", {}, "no_ce_type"),
        (b"", {"ce_type": "com.example.other"}, "unknown_ce_type"),
        (b"\xff\xff\xff", {"ce_type": "cvops.frame.v1"}, "undecodable"),
    ],
)
def test_what_is_no_event_is_refused_with_its_reason(body: bytes, headers: dict[str, str], reason: str) -> None:
    with pytest.raises(BadRecord) as refused:
        events.decode(body, headers)
    assert refused.value.reason == reason


def test_a_message_that_is_no_event_is_a_mistake_of_the_programmer() -> None:
    with pytest.raises(TypeError, match="EVENT_TYPES"):
        events.type_of(ImageStats())


def test_every_event_has_its_declared_topic() -> None:
    assert {event.topic for event in events.EVENT_TYPES} == set(TOPICS)
