"""Order and time of frames: duplicates and stragglers are dropped; a jump of the clock is taken out of the time."""

from dataclasses import dataclass, field

from cvops_monitoring.health.frame import HealthFrame

_STREAMS, _MISSING = 4, 256


@dataclass(frozen=True, slots=True)
class Step:
    """From the frame before to this one.

    Attributes:
        now_s: steady seconds: as the camera's clock, without its jumps; never falls.
        elapsed_s: since the frame before, in s.
        frames: how much the sequence grew; 0: another stream, or the first frame.
        jumped_s: what the camera's clock jumped by, in s; 0: it did not.
    """

    now_s: float
    elapsed_s: float
    frames: int
    jumped_s: float


@dataclass(slots=True)
class StreamClock:
    """Clock of one camera.

    Attributes:
        streams: the last streams, each with its greatest sequence, oldest first.
        captured_s: of the last frame; None: there was none.
        received_s: of the last frame.
        now_s: steady seconds.
        duplicates: frames dropped because they had been seen.
        stragglers: frames dropped because later ones had been seen.
        found: frames dropped as stragglers that had been counted as lost.
        missing: sequences of the newest stream that were skipped, latest last.
    """

    streams: list[list[str | int]] = field(default_factory=list)
    captured_s: float | None = None
    received_s: float = 0.0
    now_s: float = 0.0
    duplicates: int = 0
    stragglers: int = 0
    found: int = 0
    missing: list[int] = field(default_factory=list)

    @property
    def shift_s(self) -> float:
        """Clock of the camera minus steady seconds."""
        return 0.0 if self.captured_s is None else self.captured_s - self.now_s

    def push(self, frame: HealthFrame, least_lateness_s: float) -> Step | None:
        """Takes a frame; None: it was seen before, or comes after later ones.

        Args:
            frame: the next one to arrive.
            least_lateness_s: received minus captured that no frame can fall below, in s, with the clock as it was.
        """
        frames = self._order(frame)
        if frames is None:
            return None
        if self.captured_s is None:
            self.captured_s, self.received_s, self.now_s = frame.captured_s, frame.received_s, frame.captured_s
            return Step(self.now_s, 0.0, 0, 0.0)
        passed_s = frame.captured_s - self.captured_s
        waited_s = max(frame.received_s - self.received_s, 0.0)
        ahead = frame.received_s - frame.captured_s < least_lateness_s and passed_s > waited_s
        elapsed_s = waited_s if passed_s < 0 or ahead else passed_s
        self.now_s += elapsed_s
        self.captured_s, self.received_s = frame.captured_s, frame.received_s
        return Step(self.now_s, elapsed_s, frames, passed_s - elapsed_s)

    def _order(self, frame: HealthFrame) -> int | None:
        """How much the sequence grew (0: new stream); None: the frame is to be dropped."""
        names = [name for name, _ in self.streams]
        if frame.stream not in names:
            self.streams = [*self.streams[1 - _STREAMS :], [frame.stream, frame.sequence]]
            self.missing = []
            return 0
        entry = self.streams[names.index(frame.stream)]
        grown = frame.sequence - int(entry[1])
        if grown > 0 and entry is self.streams[-1]:
            self.missing = [*self.missing, *range(max(int(entry[1]) + 1, frame.sequence - _MISSING), frame.sequence)]
            self.missing = self.missing[-_MISSING:]
            entry[1] = frame.sequence
            return grown
        if entry is self.streams[-1] and frame.sequence in self.missing:
            self.missing.remove(frame.sequence)
            self.found += 1
            self.stragglers += 1
        elif grown > 0:
            self.stragglers += 1
        else:
            self.duplicates += 1
        return None
