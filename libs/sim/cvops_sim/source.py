"""A simulated camera as a source of the edge agent."""

import threading
from collections.abc import Callable, Iterator

from cvops.edge.sources import Captured
from cvops_sim.simcam import SimCamera
from cvops_sim.truth import FrameTruth

_PAINTING = threading.Lock()
"""One camera of a process paints at a time: a frame is a thousand short calls that each let go of the interpreter, and
six threads that snatch it from each other pay twice the CPU time, and more time by the clock, than one after another.
"""


class SimSource:
    """Frames of a camera in their order.

    Attributes:
        live: False: a frame that is made is not dropped.
        count: frames that it has, before some are lost.
        corrupt: 0.
    """

    live = False

    def __init__(self, camera: SimCamera, frames: int, on_truth: Callable[[FrameTruth], None]) -> None:
        """`on_truth` is told the truth of each frame before the agent gets it."""
        self._camera = camera
        self._on_truth = on_truth
        self.count: int | None = frames
        self.corrupt = 0

    def frames(self) -> Iterator[Captured]:
        """From the beginning; those that are lost before the agent are left out."""
        for sequence in range(self.count or 0):
            with _PAINTING:
                frame = self._camera.frame(sequence)
            if frame is not None:
                self._on_truth(frame.truth)
                yield Captured(frame.picture, frame.moment.there_s, frame.moment.stamped_s)
