"""Everything that is told from what the picture shows, once a second at most."""

from dataclasses import dataclass, field
from typing import Any, Final

from cvops_monitoring.health.colour import Colours
from cvops_monitoring.health.coverage import check_coverage, lost_share
from cvops_monitoring.health.dimming import Dimming
from cvops_monitoring.health.exposure import Exposure
from cvops_monitoring.health.faults import FaultKind, Verdict, Verdicts
from cvops_monitoring.health.frame import HealthFrame
from cvops_monitoring.health.glass import Glass
from cvops_monitoring.health.movement import Movement
from cvops_monitoring.health.reference import Learner, Reference
from cvops_monitoring.health.regime import DAY, INFRARED, Regime
from cvops_monitoring.health.settings import HealthSettings
from cvops_monitoring.health.sharpness import check_sharpness
from cvops_monitoring.health.transmission import Transmission, likeness
from cvops_monitoring.health.view import View, view_of
from cvops_monitoring.plain import from_plain, to_plain

_WITHOUT_THUMBNAIL_S: Final = 5.0
"""Frames without a thumbnail are checked too if none with one came for so long."""
_JITTER = 0.5
_PARTS: Final = (Regime, Reference, Colours, Learner, Movement, Exposure, Dimming, Glass, Transmission)
_SAME_SCENE = 0.4
"""Correlation of the coarse pictures; out of focus leaves it near 1."""
_HIDDEN_SHARE = 0.8
"""A picture that lost so many of its edges shows no new regime: it shows nothing."""


@dataclass(slots=True)
class Picture:
    """What the pictures of one camera look like, and should. Steady seconds.

    Attributes:
        regime: day, night or infra-red.
        references: what is known, by regime.
        colours: usual in the last half hour of each regime that is known.
        learner: of the present regime, while it is not known.
        movement: of the view.
        exposure: of the picture.
        dimming: light that went everywhere alike.
        glass: in front of the lens.
        sudden: colour went away while it was bright.
        blind: the last check saw nothing: it was black, white or covered.
        checked_s: last check; None: never.
        thumbnail_s: last check with a thumbnail; None: never.
        present: the last thumbnail; None: none came.
    """

    regime: Regime = field(default_factory=Regime)
    references: dict[str, Reference] = field(default_factory=dict)
    colours: dict[str, Colours] = field(default_factory=dict)
    learner: Learner = field(default_factory=Learner.fresh)
    movement: Movement = field(default_factory=Movement)
    exposure: Exposure = field(default_factory=Exposure)
    dimming: Dimming = field(default_factory=Dimming)
    glass: Glass = field(default_factory=Glass)
    sudden: bool = False
    blind: bool = False
    checked_s: float | None = None
    thumbnail_s: float | None = None
    present: View | None = None

    @property
    def reference(self) -> Reference | None:
        """Of the present regime."""
        return self.references.get(self.regime.name)

    def due(self, frame: HealthFrame, now_s: float, settings: HealthSettings) -> bool:
        """This frame is to be checked."""
        if self.checked_s is None:
            return True
        since_s = now_s - self.checked_s
        if frame.thumbnail is not None:
            return since_s >= _JITTER * settings.check_s
        alone = self.thumbnail_s is None or now_s - self.thumbnail_s >= _WITHOUT_THUMBNAIL_S
        return alone and since_s >= settings.check_s

    def check(
        self, frame: HealthFrame, now_s: float, *, comparable: bool, live: bool, settings: HealthSettings
    ) -> Verdicts:
        """Checks one frame.

        Args:
            frame: the frame.
            now_s: steady seconds.
            comparable: it has the ratio of the reference.
            live: it is worth learning from: not frozen.
            settings: thresholds.
        """
        elapsed_s = 0.0 if self.checked_s is None else now_s - self.checked_s
        self.checked_s = now_s
        view = self._look(frame, now_s)
        before = self.reference
        verdicts = self.exposure.push(frame, now_s, before.brightness if before else None, settings)
        self._dimmed(verdicts, view, now_s, settings)
        dim = self.exposure.fell or self.exposure.bright or self.exposure.black_s is not None
        if before and comparable and not dim:
            verdicts |= self._coverage(before, frame, view, settings)
        covered = FaultKind.COVERED in verdicts and verdicts[FaultKind.COVERED].present
        self.blind = dim or covered
        hidden = self.blind or self._shows_nothing(frame, settings)
        if self.regime.push(frame, now_s, elapsed_s, hidden, settings):
            self._begin_regime()
        if hidden or not self.regime.settled:
            return verdicts
        if self.reference is None:
            if comparable and live:
                self._learn(frame, view, now_s, settings)
        elif comparable:
            verdicts |= self._compare(self.reference, frame, view, now_s, elapsed_s, settings)
            if self.glass.veiled and not verdicts[FaultKind.COVERED].present:
                del verdicts[FaultKind.COVERED]
        return verdicts | self._infrared(frame, settings)

    def forget(self) -> None:
        """Learns all references anew, beginning with the present view."""
        self.references, self.colours, self.learner, self.movement = {}, {}, Learner.fresh(), Movement()
        self.glass, self.dimming = Glass(), Dimming()
        self.learner.view = None if self.present is None else self.present.picture
        self.sudden = False

    def _look(self, frame: HealthFrame, now_s: float) -> View | None:
        if frame.thumbnail is None:
            return None
        self.thumbnail_s, self.present = now_s, view_of(frame.thumbnail)
        return self.present

    def _dimmed(self, verdicts: Verdicts, view: View | None, now_s: float, settings: HealthSettings) -> None:
        """Adds what only thumbnails show to the verdict on darkness; without one it cannot be said that it ended."""
        if verdicts[FaultKind.DARK].present:
            return
        if view is not None:
            dimmed = self.dimming.push(view, now_s, settings)
            if dimmed.present:
                verdicts[FaultKind.DARK] = dimmed
        elif self.dimming.since_s is not None:
            del verdicts[FaultKind.DARK]

    def _in_place(self) -> bool:
        return not self.movement.suspected or self.movement.small

    def _coverage(
        self, reference: Reference, frame: HealthFrame, view: View | None, settings: HealthSettings
    ) -> Verdicts:
        if not self._in_place() or self.regime.looks(frame, settings) == INFRARED != self.regime.name:
            return {}
        return check_coverage(reference, frame, _of_size(view, reference), settings)

    def _shows_nothing(self, frame: HealthFrame, settings: HealthSettings) -> bool:
        share = lost_share(self.reference, frame, settings) if self.reference else None
        return share is not None and share >= _HIDDEN_SHARE

    def _begin_regime(self) -> None:
        day = self.references.get(DAY)
        was_bright = day is not None and self.regime.fell_from > 0
        self.sudden = was_bright and self.regime.name == INFRARED and INFRARED not in self.references
        self.learner = Learner.fresh()
        self.movement.agreed = []
        self.glass.begin()

    def _learn(self, frame: HealthFrame, view: View | None, now_s: float, settings: HealthSettings) -> None:
        known = self.learner.view
        if view is not None and known is not None and known.shape == view.picture.shape:
            self.glass.learn(View(known), view, now_s)
        learned = self.learner.push(frame, now_s, settings)
        if learned is not None:
            self.references[self.regime.name] = learned
            self.glass.learned(self.regime.name)
            self.learner = Learner.fresh()

    def _compare(
        self,
        reference: Reference,
        frame: HealthFrame,
        view: View | None,
        now_s: float,
        elapsed_s: float,
        settings: HealthSettings,
    ) -> Verdicts:
        verdicts: Verdicts = {}
        view = _of_size(view, reference)
        if view is not None and reference.view is not None:
            scale = frame.width / view.picture.shape[1]
            verdicts |= self.movement.push(reference.view, view, now_s, scale, settings)
            if self._in_place():
                verdicts |= self._clarity(reference.view, view, now_s, settings)
            else:
                self.glass.begin()
        if self._in_place() and self.glass.clear:
            usual = self.colours.setdefault(self.regime.name, Colours.of(reference))
            verdicts |= usual.push(reference, frame, elapsed_s, settings)
        return verdicts

    def _clarity(self, reference: View, view: View, now_s: float, settings: HealthSettings) -> Verdicts:
        """Out of focus: only if the coarse picture is as it was. Dirt and veils: where movement finds the scene."""
        verdicts = self.glass.push(self.regime.name, reference, view, self.movement.sway, now_s, settings)
        if not self.glass.veiled:
            verdicts.pop(FaultKind.COVERED, None)
        if likeness(reference, view) >= _SAME_SCENE:
            verdicts |= check_sharpness(reference, view, settings)
        return verdicts

    def _infrared(self, frame: HealthFrame, settings: HealthSettings) -> Verdicts:
        day = self.references.get(DAY)
        bright = day is not None and self.regime.fell_from >= settings.dusk_share * day.brightness
        verdict = Verdict(
            present=self.sudden and bright and self.regime.name == INFRARED and self.reference is None,
            statistic=frame.saturation,
            threshold=settings.grey_saturation,
            effect=frame.saturation / max(day.saturation, 1.0) if day else 0.0,
            unit="x",
            text="colour went away while it was bright: infra-red, or a grey picture",
            details={"saturation": frame.saturation},
        )
        return {FaultKind.INFRARED: verdict}

    def to_state(self) -> dict[str, Any]:
        """As plain values; pictures are compressed without loss."""
        names = (
            "regime", "references", "colours", "movement", "exposure", "dimming", "glass", "sudden", "blind",
            "checked_s", "thumbnail_s",
        )  # fmt: skip
        learner = to_plain(Learner(self.learner.n, self.learner.first_s, self.learner.edges, self.learner.sums, None))
        return {
            **{name: to_plain(getattr(self, name)) for name in names},
            "learner": learner,
            "learned_view": None if self.learner.view is None else View(self.learner.view).to_png(),
            "present": None if self.present is None else self.present.to_png(),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Picture":
        """The picture that `to_state` described."""
        plain = {name: value for name, value in state.items() if name not in ("learned_view", "present")}
        picture = cls(**from_plain(plain, *_PARTS))
        if state["learned_view"] is not None:
            picture.learner.view = View.from_bytes(state["learned_view"]).picture
        picture.present = None if state["present"] is None else View.from_bytes(state["present"])
        return picture


def _of_size(view: View | None, reference: Reference) -> View | None:
    """`view`, if it has the size of the reference view."""
    if view is None or reference.view is None or view.picture.shape != reference.view.picture.shape:
        return None
    return view
