"""Events and answers about the stream of a camera, from what is stored of it."""

from datetime import datetime

from cvops_common.mongo import Document
from cvops_ingest.frame_store import entries_of
from cvops_ingest.ledger import Entries
from cvops_protos.v1.camera_pb2 import CameraStatus, LedgerMinute


def state_status(status: Document, project: str) -> CameraStatus:
    """The state as it is, without a ledger; rate and lateness are those of the last minute that is known."""
    event = CameraStatus()
    if "last_minute" in status:
        event.ParseFromString(status["last_minute"])
        event.ClearField("ledger")
    event.camera_id, event.project, event.state = status["_id"], project, status["state"]
    event.since.FromDatetime(status["since"])
    if "last_frame_at" in status:
        event.last_frame_at.FromDatetime(status["last_frame_at"])
    return event


def minute_status(
    status: Document, project: str, ledger: LedgerMinute, lateness_p50_s: float, lateness_p95_s: float
) -> CameraStatus:
    """The state as it is, with the ledger of one minute."""
    event = state_status(status, project)
    event.fps = ledger.stored / 60
    event.lateness_p50_s, event.lateness_p95_s = lateness_p50_s, lateness_p95_s
    event.ledger.CopyFrom(ledger)
    return event


def listed_status(status: Document, project: str) -> CameraStatus:
    """The state as it is, with the ledger of the last minute that was published."""
    event = state_status(status, project)
    if "last_minute" in status:
        event.ledger.CopyFrom(CameraStatus.FromString(status["last_minute"]).ledger)
    return event


def total_ledger(status: Document) -> LedgerMinute:
    """The sum of the ledger since the camera was added; its minute is the first one."""
    return ledger_minute(entries_of(status.get("ledger", {})), status.get("first_minute"))


def ledger_minute(entries: Entries, minute: datetime | None) -> LedgerMinute:
    """A ledger as a message.

    Args:
        entries: the counts.
        minute: its begin, as an aware datetime; None leaves it absent.
    """
    message = LedgerMinute(
        captured=entries.captured,
        stored=entries.stored,
        sampled_out=entries.sampled_out,
        rejected={reason: count for reason, count in entries.rejected.items() if count},
        duplicates=entries.duplicates,
        gaps=entries.gaps,
    )
    if minute is not None:
        message.minute.FromDatetime(minute)
    return message
