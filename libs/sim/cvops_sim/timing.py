"""When a frame is captured, stamped and there: what effects on the clock do."""

from collections.abc import Sequence
from dataclasses import dataclass

from cvops_sim.effects.clock import CLOCK, DROPPED, FROZEN, LATE
from cvops_sim.rng import generator
from cvops_sim.timeline import Occurrence


@dataclass(frozen=True)
class Moment:
    """The times of one frame, in seconds since the begin of the scenario.

    Attributes:
        seen_s: what the picture shows; stands still while the stream is frozen.
        shown_s: what the camera writes into the picture.
        stamped_s: capture time by the clock of the camera.
        there_s: when the agent gets it.
        dropped: whether it never gets there.
    """

    seen_s: float
    shown_s: float
    stamped_s: float
    there_s: float
    dropped: bool


def moment(levels: Sequence[tuple[Occurrence, float]], at_s: float, seed: int, sequence: int) -> Moment:
    """The times of frame `sequence` of the camera with `seed`, due at `at_s`, under the effects at work."""
    seen_s, late_s, ahead_s, kept = at_s, 0.0, 0.0, 1.0
    for each, level in levels:
        if each.kind is FROZEN:
            seen_s = min(seen_s, each.start_s)
        elif each.kind is LATE:
            late_s += level
        elif each.kind is CLOCK:
            ahead_s += level
        elif each.kind is DROPPED:
            kept *= 1 - level
    dropped = kept < 1 and generator(seed, "dropped", sequence).random() >= kept
    return Moment(seen_s, seen_s + ahead_s, at_s + ahead_s, at_s + late_s, bool(dropped))
