"""What can be wrong with a camera, and how it is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class FaultKind(StrEnum):
    """What is wrong; each value has its sentence.

    Attributes:
        MOVED: the camera looks elsewhere than its reference view does.
        DEFOCUS: fine detail is gone everywhere: out of focus, condensation.
        DIRT: parts of the view lost their detail, the rest is clear: dirt or drops on the glass.
        COVERED: a large part of the view lost its edges, or all of it is seen through a veil.
        DARK: the picture lost its light within seconds, or is black.
        OVEREXPOSED: most of the picture is near white.
        FROZEN: the same pixels come again and again.
        COLOUR_CAST: the mean colour shifted.
        INFRARED: colour went away while it was bright.
        CHANNELS_SWAPPED: red and blue are exchanged.
        LATE: frames arrive later after capture than they used to.
        SLOW: fewer frames are captured per second than used to be.
        GAPS: frames get lost between the agent and here.
        CLOCK_OFFSET: the clock of the camera is wrong, or jumped.
        SIZE_CHANGED: width, height or ratio is another.
        CODEC_CHANGED: the encoding is another.
    """

    MOVED = "moved"
    DEFOCUS = "defocus"
    DIRT = "dirt"
    COVERED = "covered"
    DARK = "dark"
    OVEREXPOSED = "overexposed"
    FROZEN = "frozen"
    COLOUR_CAST = "colour_cast"
    INFRARED = "infrared"
    CHANNELS_SWAPPED = "channels_swapped"
    LATE = "late"
    SLOW = "slow"
    GAPS = "gaps"
    CLOCK_OFFSET = "clock_offset"
    SIZE_CHANGED = "size_changed"
    CODEC_CHANGED = "codec_changed"


class ChangeState(StrEnum):
    """What became of a fault."""

    OPENED = "opened"
    UPDATED = "updated"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one detector says about one fault at one check. No verdict at all means: it cannot be told now.

    Attributes:
        present: the fault is there.
        statistic: that was compared.
        threshold: it was compared with.
        effect: how large the fault is, in `unit`.
        unit: of `effect`: px, deg, x, dE, %, s.
        text: one sentence for people.
        details: further numbers.
        since_s: begin as the detector estimates it, steady seconds; None: the first check that saw it.
    """

    present: bool
    statistic: float
    threshold: float
    effect: float = 0.0
    unit: str = ""
    text: str = ""
    details: Mapping[str, float] = field(default_factory=dict)
    since_s: float | None = None


Verdicts = dict[FaultKind, Verdict]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of one camera.

    Attributes:
        kind: what it is.
        since_s: estimated begin, seconds of the camera's clock.
        seen_s: capture time of the frame that decided it, likewise.
        statistic: that was compared; threshold: with what.
        threshold: see `statistic`.
        effect: how large it is, in `unit`.
        unit: px, deg, x, dE, %, s.
        text: one sentence for people.
        details: further numbers.
    """

    kind: FaultKind
    since_s: float
    seen_s: float
    statistic: float
    threshold: float
    effect: float
    unit: str
    text: str
    details: Mapping[str, float]

    def to_state(self) -> dict[str, Any]:
        """As plain values."""
        names = ("since_s", "seen_s", "statistic", "threshold", "effect", "unit", "text")
        return {
            "kind": self.kind.value,
            "details": dict(self.details),
            **{name: getattr(self, name) for name in names},
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Fault":
        """The fault that `to_state` described."""
        return cls(**{**state, "kind": FaultKind(state["kind"])})


@dataclass(frozen=True, slots=True)
class FaultChange:
    """A fault opened, was updated or closed.

    Attributes:
        state: which of these.
        fault: as it is now; of a closed one, as it was last.
    """

    state: ChangeState
    fault: Fault
