"""Everything that is told from when frames were captured and when they came."""

from dataclasses import dataclass, field

from cvops_monitoring.health.clock import Step, StreamClock
from cvops_monitoring.health.faults import Verdicts
from cvops_monitoring.health.frame import HealthFrame
from cvops_monitoring.health.gaps import Gaps
from cvops_monitoring.health.lateness import Lateness
from cvops_monitoring.health.rhythm import Rhythm
from cvops_monitoring.health.settings import HealthSettings


@dataclass(slots=True)
class Timing:
    """Order, rhythm, losses and lateness of the frames of one camera.

    Attributes:
        clock: order and steady time.
        rhythm: frames per second.
        gaps: frames lost.
        lateness: on the way, and of the clock.
    """

    clock: StreamClock = field(default_factory=StreamClock)
    rhythm: Rhythm = field(default_factory=Rhythm)
    gaps: Gaps = field(default_factory=Gaps)
    lateness: Lateness = field(default_factory=Lateness)

    def push(self, frame: HealthFrame, settings: HealthSettings) -> tuple[Step, Verdicts] | None:
        """Takes a frame; None: it was seen before, or comes after later ones, and is not to be looked at."""
        found = self.clock.found
        step = self.clock.push(frame, self.lateness.least_s(settings))
        if step is None:
            if self.clock.found > found:
                self.gaps.found()
            return None
        verdicts = self.lateness.push(frame.received_s - frame.captured_s, step, settings)
        return step, verdicts | self.rhythm.push(step, settings) | self.gaps.push(step, settings)


TIMING_TYPES = (Timing, StreamClock, Rhythm, Gaps, Lateness)
"""What the state of `Timing` is made of."""
