"""Size and encoding: another one is told at once."""

from dataclasses import dataclass

from cvops_monitoring.health.faults import FaultKind, Verdict, Verdicts
from cvops_monitoring.health.frame import HealthFrame

_SAME_RATIO = 0.01


@dataclass(slots=True)
class Format:
    """What the pictures of one camera look like from outside; width 0: not known yet.

    Attributes:
        width: of the reference, in px.
        height: likewise.
        encoding: of the reference.
        seen: the same three of the last frame.
    """

    width: int = 0
    height: int = 0
    encoding: str = ""
    seen: tuple[int, int, str] = (0, 0, "")

    def accept(self) -> None:
        """Makes the format of the last frame the reference."""
        self.width, self.height, self.encoding = self.seen

    def same_ratio(self, frame: HealthFrame) -> bool:
        """The picture is as square as the reference, so views compare."""
        return abs(self._stretch(frame) - 1) < _SAME_RATIO

    def push(self, frame: HealthFrame) -> Verdicts:
        """Takes the next frame; the first one is the reference."""
        self.seen = frame.width, frame.height, frame.encoding
        if not self.width:
            self.accept()
        return {FaultKind.SIZE_CHANGED: self._size(frame), FaultKind.CODEC_CHANGED: self._codec(frame)}

    def _stretch(self, frame: HealthFrame) -> float:
        return (frame.width * self.height) / (frame.height * self.width) if self.width else 1.0

    def _size(self, frame: HealthFrame) -> Verdict:
        now, was = f"{frame.width}x{frame.height}", f"{self.width}x{self.height}"
        stretch = self._stretch(frame)
        ratio = "" if self.same_ratio(frame) else f", the ratio {stretch:.3g} times as wide"
        return Verdict(
            present=now != was,
            statistic=float(frame.width * frame.height),
            threshold=float(self.width * self.height),
            effect=frame.width * frame.height / (self.width * self.height),
            unit="x",
            text=f"pictures are {now} px instead of {was}{ratio}",
            details={"width": frame.width, "height": frame.height, "ratio_change": stretch},
        )

    def _codec(self, frame: HealthFrame) -> Verdict:
        changed = frame.encoding != self.encoding
        text = f"pictures are encoded as {frame.encoding} instead of {self.encoding}"
        return Verdict(present=changed, statistic=float(changed), threshold=0.0, text=text)
