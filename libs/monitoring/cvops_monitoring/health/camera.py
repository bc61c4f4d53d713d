"""The health of one camera, frame by frame."""

from typing import Any, Final, Literal

from cvops_monitoring.health.faults import Fault, FaultChange, FaultKind, Verdicts
from cvops_monitoring.health.format import Format
from cvops_monitoring.health.frame import Grey, HealthFrame
from cvops_monitoring.health.frozen import Frozen
from cvops_monitoring.health.hysteresis import Switch, Wait
from cvops_monitoring.health.picture import Picture
from cvops_monitoring.health.settings import HealthSettings
from cvops_monitoring.health.timing import TIMING_TYPES, Timing
from cvops_monitoring.plain import from_plain, to_plain

Status = Literal["learning", "well", "faulty"]
_CHECKS: Final = 3
_OF_THE_VIEW: Final = (
    FaultKind.MOVED,
    FaultKind.DEFOCUS,
    FaultKind.DIRT,
    FaultKind.COVERED,
    FaultKind.COLOUR_CAST,
    FaultKind.CHANNELS_SWAPPED,
    FaultKind.INFRARED,
    FaultKind.SIZE_CHANGED,
    FaultKind.CODEC_CHANGED,
)
"""Faults that are told against the reference, and so end with it."""


class CameraHealth:
    """Finds faults of one camera. Feed it the frames in the order they arrive; state is O(1), under 250 kB.

    Pictures are compared with what the camera looked like in its first minute by day, by night and in infra-red, each
    learned when it first comes. Duplicates and stragglers are dropped and counted. All faults that are there at a time
    are open together, except those that cannot be told because of another one: nothing is said of the view of a dark
    or covered camera, nor of the sharpness and colour of one that looks elsewhere.
    """

    def __init__(self, settings: HealthSettings) -> None:
        self._settings = settings
        self._timing = Timing()
        self._format = Format()
        self._frozen = Frozen()
        self._picture = Picture()
        self._switches: dict[FaultKind, Switch] = {}
        self._waits = _waits(settings)

    def push(self, frame: HealthFrame) -> list[FaultChange]:
        """Takes the next frame; what opened, was updated or closed by it."""
        timed = self._timing.push(frame, self._settings)
        if timed is None:
            return []
        step, verdicts = timed
        verdicts |= self._format.push(frame)
        verdicts |= self._frozen.push(frame, step, self._settings)
        if self._picture.due(frame, step.now_s, self._settings):
            verdicts |= self._picture.check(
                frame,
                step.now_s,
                comparable=self._format.same_ratio(frame),
                live=not self._frozen.suspected(self._settings),
                settings=self._settings,
            )
        return self._decide(verdicts, step.now_s)

    def accept_view(self) -> list[FaultChange]:
        """Makes the present view, size and encoding the reference, learned anew from now on; what that closed."""
        self._picture.forget()
        self._format.accept()
        return [change for kind in _OF_THE_VIEW if kind in self._switches for change in self._switches[kind].close()]

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Open now, the first opened first."""
        open_now = [switch.fault for switch in self._switches.values() if switch.fault is not None]
        return tuple(sorted(open_now, key=lambda fault: (fault.seen_s, fault.kind)))

    @property
    def status(self) -> Status:
        """Faulty: a fault is open. Learning: no reference for the present light yet. Well: neither."""
        if self.faults:
            return "faulty"
        return "learning" if self._picture.reference is None else "well"

    @property
    def regime(self) -> str:
        """The present brightness regime: "day", "night", "infrared"; "" before the first frame."""
        return self._picture.regime.name

    @property
    def blind(self) -> bool:
        """The last picture that was checked was black, white or covered."""
        return self._picture.blind

    @property
    def regimes(self) -> tuple[str, ...]:
        """Brightness regimes that have a reference."""
        return tuple(sorted(self._picture.references))

    @property
    def duplicates(self) -> int:
        """Frames dropped because they had been seen."""
        return self._timing.clock.duplicates

    @property
    def stragglers(self) -> int:
        """Frames dropped because later ones had been seen."""
        return self._timing.clock.stragglers

    @property
    def reference_view(self) -> Grey | None:
        """Where the camera should look in the present light, uint8 (H, W); None: not known yet."""
        reference = self._picture.reference
        if reference is not None and reference.view is not None:
            return reference.view.picture
        return self._picture.learner.view

    @property
    def present_view(self) -> Grey | None:
        """The last thumbnail, made to fit 320x240, uint8 (H, W); None: there was none."""
        return None if self._picture.present is None else self._picture.present.picture

    def to_state(self) -> dict[str, object]:
        """Everything that is needed to go on exactly, as plain values."""
        return {
            "timing": to_plain(self._timing),
            "format": to_plain(self._format),
            "frozen": to_plain(self._frozen),
            "picture": self._picture.to_state(),
            "switches": {kind.value: switch.to_state() for kind, switch in self._switches.items()},
        }

    @classmethod
    def from_state(cls, settings: HealthSettings, state: dict[str, Any]) -> "CameraHealth":
        """The camera that `to_state` described; from here it does what that one would have done."""
        camera = cls(settings)
        camera._timing = from_plain(state["timing"], *TIMING_TYPES)
        camera._format = from_plain(state["format"], Format)
        camera._frozen = from_plain(state["frozen"], Frozen)
        camera._picture = Picture.from_state(state["picture"])
        camera._switches = {FaultKind(kind): Switch.from_state(each) for kind, each in state["switches"].items()}
        return camera

    def _decide(self, verdicts: Verdicts, now_s: float) -> list[FaultChange]:
        changes: list[FaultChange] = []
        shift_s, settings = self._timing.clock.shift_s, self._settings
        for kind, verdict in verdicts.items():
            switch = self._switches.setdefault(kind, Switch())
            wait = self._waits.get(kind, Wait(0.0, 1))
            changes += switch.push(kind, verdict, now_s, shift_s, wait, settings.hold_s, settings.update_s)
        return changes


def _waits(settings: HealthSettings) -> dict[FaultKind, Wait]:
    """How long faults must be seen; those that are not here are waited for by their detectors, or told at once."""
    seconds = {
        FaultKind.DEFOCUS: settings.defocus_s,
        FaultKind.DIRT: settings.dirt_s,
        FaultKind.COVERED: settings.covered_s,
        FaultKind.DARK: settings.dark_s,
        FaultKind.OVEREXPOSED: settings.covered_s,
        FaultKind.COLOUR_CAST: settings.cast_s,
        FaultKind.CHANNELS_SWAPPED: settings.cast_s,
        FaultKind.INFRARED: 0.0,
        FaultKind.LATE: settings.late_for_s,
        FaultKind.CLOCK_OFFSET: 0.0,
    }
    return {kind: Wait(each, _CHECKS) for kind, each in seconds.items()}
