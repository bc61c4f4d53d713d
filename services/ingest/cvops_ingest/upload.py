"""A frame at the door, and the answer to it."""

import re
from dataclasses import dataclass
from enum import StrEnum

from cvops_common.errors import BadArgument, Rejected
from cvops_common.ids import frame_id

_MAX_SEQUENCE = 2**48
_STREAM = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LAST_NS = 253_402_300_800 * 10**9  # the year 10000, which neither protobuf nor MongoDB can hold


@dataclass(frozen=True, slots=True)
class Upload:
    """One frame as it was pushed.

    Attributes:
        camera_id: whose frame it is.
        captured_at_ns: nanoseconds since the Unix epoch, by the clock of the camera.
        received_at_ns: likewise, by ours.
        image: encoded.
        stream: one run of an agent; empty: a single picture, outside of any count.
        sequence: counts the frames of a stream from 0.
        sampled_out: frames that the agent left out on purpose since the previous one.
        traceparent: W3C trace context; empty: a trace begins here.
        config_revision: of the configuration that the agent has applied; 0: none.
        closing: no frame but the end of its stream; `sequence` is what the next frame would have had.
    """

    camera_id: str
    captured_at_ns: int
    received_at_ns: int
    image: bytes
    stream: str = ""
    sequence: int = 0
    sampled_out: int = 0
    traceparent: str = ""
    config_revision: int = 0
    closing: bool = False

    @property
    def frame_id(self) -> str:
        """Deterministic id of the frame."""
        return frame_id(self.camera_id, self.captured_at_ns, self.sequence)

    @property
    def is_counted(self) -> bool:
        """Whether it belongs to a sequence in which gaps can be seen."""
        return self.sequence <= _MAX_SEQUENCE and _STREAM.fullmatch(self.stream) is not None

    @property
    def minute(self) -> int:
        """Minute since the Unix epoch in which it was received: its page in the ledger."""
        return self.received_at_ns // 60_000_000_000


class Outcome(StrEnum):
    """What became of an upload."""

    STORED = "stored"
    """On disk, its event acknowledged by the bus."""
    DUPLICATE = "duplicate"
    """Had been stored before."""
    REJECTED = "rejected"
    """Refused; sending it again cannot help."""
    CLOSED = "closed"
    """No frame: the end of a stream is in the ledger."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to one upload; `reason` and `message` only for a rejected one, `frame_id` only for the others."""

    stream: str
    sequence: int
    outcome: Outcome
    frame_id: str = ""
    reason: str = ""
    message: str = ""


def refusal(upload: Upload, error: Rejected) -> Receipt:
    """The answer to an upload that was refused."""
    return Receipt(upload.stream, upload.sequence, Outcome.REJECTED, reason=error.reason, message=str(error))


def check(upload: Upload) -> None:
    """Checks all but the image and the camera.

    Raises:
        BadArgument: with the reason `no_captured_at`, `bad_sequence` or `bad_argument` (the name of the stream).
    """
    if not upload.closing and not 0 < upload.captured_at_ns < _LAST_NS:
        raise BadArgument(
            f"frame {upload.sequence} of camera {upload.camera_id} has capture time {upload.captured_at_ns} ns: "
            "expected the time since 1970, so that it can be known again; set captured_at",
            reason="no_captured_at",
        )
    if upload.sequence > _MAX_SEQUENCE:
        raise BadArgument(
            f"frame of camera {upload.camera_id} has sequence {upload.sequence}: expected a count from 0 in each "
            "stream",
            reason="bad_sequence",
        )
    if (upload.stream or upload.closing) and not _STREAM.fullmatch(upload.stream):
        raise BadArgument(
            f"stream {upload.stream[:80]!r} of camera {upload.camera_id} cannot be used: expected 1 to 64 letters, "
            "digits, '.', '_' or '-', another one for each run of an agent"
        )
