"""Collects the reference: blocks of successive frames, spread evenly over as long as it takes, in bounded memory."""

from collections.abc import Sequence

from cvops_monitoring.stream.frames import Frames, concatenate

BLOCK = 64
MOST_BLOCKS = 48


class WarmUp:
    """Keeps at most 48 blocks of 64 successive frames.

    When they are full every second block goes and from then on only every second block is kept, so that however long a
    warm-up lasts its blocks are spread over all of it, while the order inside a block stays what it was.
    """

    def __init__(self) -> None:
        self.blocks: list[Frames] = []
        self._open: list[Frames] = []
        self._stride = 1
        self._number = 0
        self.frames = 0
        self.begin_s = float("nan")
        self.end_s = float("nan")

    def push(self, frames: Frames) -> None:
        """Takes frames in order of capture."""
        while len(frames):
            have = sum(map(len, self._open))
            part, frames = frames[: BLOCK - have], frames[BLOCK - have :]
            self._open.append(part)
            if self.frames == 0:
                self.begin_s = float(part.time_s[0])
            self.frames += len(part)
            self.end_s = float(part.time_s[-1])
            if have + len(part) == BLOCK:
                self._close_block()

    def _close_block(self) -> None:
        block, self._open = concatenate(self._open), []
        if self._number % self._stride == 0:
            self.blocks.append(block)
        self._number += 1
        if len(self.blocks) > MOST_BLOCKS:
            self.blocks = self.blocks[::2]
            self._stride *= 2

    @property
    def collected(self) -> Frames:
        """All that is kept, in time order; at least one frame must have come."""
        return concatenate([*self.blocks, *self._open])

    def to_state(self) -> dict[str, object]:
        """All but the finished blocks, as plain values and `Frames`."""
        return {
            "open": list(self._open),
            "stride": self._stride,
            "number": self._number,
            "frames": self.frames,
            "begin_s": self.begin_s,
            "end_s": self.end_s,
        }

    @classmethod
    def from_state(cls, state: dict[str, object], blocks: Sequence[Frames]) -> "WarmUp":
        """Goes on from a state and the blocks that were finished then."""
        warm_up = cls()
        warm_up.blocks = list(blocks)
        warm_up._open = list(state["open"])  # type: ignore[call-overload]
        warm_up._stride = int(state["stride"])  # type: ignore[call-overload]
        warm_up._number = int(state["number"])  # type: ignore[call-overload]
        warm_up.frames = int(state["frames"])  # type: ignore[call-overload]
        warm_up.begin_s = float(state["begin_s"])  # type: ignore[arg-type]
        warm_up.end_s = float(state["end_s"])  # type: ignore[arg-type]
        return warm_up
