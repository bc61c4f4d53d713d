"""The ledger: what became of every frame, per camera and minute.

    captured = stored + sampled_out + rejected + duplicates + gaps

The left side is counted from sequence numbers and the agent's own report, when frames come in; the right side from
the answers that went out. So a frame that ingest loses shows as an imbalance.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from cvops_ingest.upload import Outcome, Receipt, Upload

_MAX_HOLES = 256


class Sighting(Enum):
    """How a sequence number relates to those seen before."""

    NEXT = "next"
    """Beyond all others; what lies between is a gap for now."""
    LATE = "late"
    """Had been booked as a gap: that is taken back."""
    AGAIN = "again"
    """Seen before."""


@dataclass(frozen=True, slots=True)
class Hole:
    """Sequence numbers [start, stop) that have not come yet, booked as gaps in `minute`."""

    start: int
    stop: int
    minute: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What one sequence number tells: how many before it are missing (NEXT), or where its gap was booked (LATE)."""

    sighting: Sighting
    skipped: int = 0
    booked_minute: int = 0


@dataclass(slots=True)
class SequenceTracker:
    """What is known of the sequence of one stream.

    Attributes:
        next: the lowest number beyond all that were seen.
        holes: what is missing below, ascending. The oldest holes are forgotten beyond 256: their frames, should they
            still come, count as seen again, and the gap stays.
        version: of the stored state, grows with each commit.
    """

    next: int = 0
    holes: list[Hole] = field(default_factory=list)
    version: int = 0

    def copy(self) -> "SequenceTracker":
        """A copy to work on until the commit has succeeded."""
        return SequenceTracker(self.next, list(self.holes), self.version)

    def see(self, sequence: int, minute: int) -> Seen:
        """Takes note of a sequence number that came in `minute`."""
        if sequence >= self.next:
            skipped = sequence - self.next
            if skipped:
                self.holes = [*self.holes, Hole(self.next, sequence, minute)][-_MAX_HOLES:]
            self.next = sequence + 1
            return Seen(Sighting.NEXT, skipped=skipped)
        for index, hole in enumerate(self.holes):
            if hole.start <= sequence < hole.stop:
                rest = (Hole(hole.start, sequence, hole.minute), Hole(sequence + 1, hole.stop, hole.minute))
                self.holes[index : index + 1] = [part for part in rest if part.start < part.stop]
                self.holes = self.holes[-_MAX_HOLES:]
                return Seen(Sighting.LATE, booked_minute=hole.minute)
        return Seen(Sighting.AGAIN)


@dataclass(slots=True)
class Entries:
    """The ledger of one camera and minute, or what a commit changes in it (then gaps may be negative)."""

    captured: int = 0
    stored: int = 0
    sampled_out: int = 0
    duplicates: int = 0
    gaps: int = 0
    rejected: Counter[str] = field(default_factory=Counter)

    @property
    def imbalance(self) -> int:
        """Frames captured of which nothing is known; 0 in a sound ledger."""
        return self.captured - (
            self.stored + self.sampled_out + self.duplicates + self.gaps + sum(self.rejected.values())
        )


class Page:
    """What one commit changes in the ledger, by camera and minute."""

    def __init__(self) -> None:
        self._entries: defaultdict[tuple[str, int], Entries] = defaultdict(Entries)

    def __iter__(self) -> Iterator[tuple[str, int, Entries]]:
        return ((camera_id, minute, entries) for (camera_id, minute), entries in self._entries.items())

    def received(self, upload: Upload, tracker: SequenceTracker | None) -> None:
        """Books the left side: a frame came in. Without a tracker it is a single picture, outside of any sequence.

        The end of a stream takes a number as a frame does, so that it counts once, and is none.
        """
        entries = self._entries[upload.camera_id, upload.minute]
        seen = tracker.see(upload.sequence, upload.minute) if tracker else Seen(Sighting.NEXT)
        entries.captured += seen.skipped + (not upload.closing)
        entries.gaps += seen.skipped
        if seen.sighting is Sighting.LATE:
            booked = self._entries[upload.camera_id, seen.booked_minute]
            booked.captured -= 1
            booked.gaps -= 1
        # The report of the agent travels with its frame: when the frame comes again it was counted already.
        if seen.sighting is not Sighting.AGAIN:
            entries.captured += upload.sampled_out
            entries.sampled_out += upload.sampled_out

    def answered(self, upload: Upload, receipt: Receipt) -> None:
        """Books the right side: what became of a frame."""
        entries = self._entries[upload.camera_id, upload.minute]
        if receipt.outcome is Outcome.STORED:
            entries.stored += 1
        elif receipt.outcome is Outcome.DUPLICATE:
            entries.duplicates += 1
        elif receipt.outcome is Outcome.REJECTED:
            entries.rejected[receipt.reason] += 1
