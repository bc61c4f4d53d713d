"""What can happen in the demo, to whom, and how it must end."""

from dataclasses import dataclass

from cvops_sim.scenario import Scenario, parse

CLASSES = ("car", "truck", "cyclist", "pedestrian")
RENAMED = {"van": "car", "bus": "truck", "scooter": "cyclist"}
"""Classes of the simulator -> those of the demo's model."""
FPS = 2.5
RECORDED_S, RECORDED_FPS = 210, 1.0
FLEET_SEED = 7
CHANGED = ("north-1", "north-2")
TURNED = "west-1"
_HOUR = 11.0
_LONGEST_S = 1800
_FLEET = """
  - {site: north, kind: suburb, cameras: 2, firmware: "2.1"}
  - {site: west, kind: suburb, cameras: 1, firmware: "2.0"}
  - {site: south, kind: urban, cameras: 3, firmware: "2.0"}
"""


@dataclass(frozen=True, slots=True)
class Story:
    """A scenario of the demo.

    Attributes:
        name: of the scenario.
        doc: what happens, in one sentence.
        effects: what happens to the world, as lines of a scenario; {at} and {later} are the moments, s.
        regained: true mAP50 that a new model must reach on the changed cameras; 0: nothing is to be trained.
        faulty: cameras that must become camera incidents, and that no episode may train on.
        bad_candidate: a broken model is tried beside the champion and must be rolled back.
    """

    name: str
    doc: str
    effects: tuple[str, ...]
    regained: float = 0.0
    faulty: tuple[str, ...] = ()
    bad_candidate: bool = False

    @property
    def cured(self) -> bool:
        """The loop must train and promote a model for the changed cameras."""
        return self.regained > 0

    def scenario(self, at_s: float, seed: int) -> Scenario:
        """What the cameras play: nothing happens before `at_s`; `seed` chooses the moments of the traffic."""
        return parse(self.yaml(at_s, seed), f"demo-{self.name}")

    def yaml(self, at_s: float, seed: int) -> str:
        """The scenario as the file that `cvops sim run` reads."""
        return _scenario(f"demo-{self.name}", seed, self._effects(at_s), _LONGEST_S, FPS)

    def _effects(self, at_s: float) -> str:
        moments = {"{at}": f"{at_s:.0f}", "{later}": f"{at_s + 4:.0f}"}
        lines = []
        for effect in self.effects:
            line = effect
            for name, moment in moments.items():
                line = line.replace(name, moment)
            lines.append(f"  - {line}\n")
        return f"effects:\n{''.join(lines)}" if lines else ""


def recordings(seed: int) -> str:
    """The last minutes before the demo, in which nothing happens, as a scenario."""
    return _scenario("demo-recordings", seed, "", RECORDED_S, RECORDED_FPS)


def _scenario(name: str, seed: int, effects: str, duration_s: int, fps: float) -> str:
    # The fleet hangs where it hangs; another seed lets the traffic of another time pass.
    hour = _HOUR + (seed % 7) * 0.25
    return (
        f"name: {name}\nseed: {FLEET_SEED}\nduration: {duration_s}\nfps: {fps:g}\nhour: {hour:g}\n"
        f"fleet:{_FLEET}{effects}"
    )


_WIND = "{effect: yaw, where: {camera: west-1}, start: {later}, ramp: 1, magnitude: 8}"


def _on_north(effect: str, magnitude: float) -> str:
    return f"{{effect: {effect}, where: {{site: north}}, start: {{at}}, ramp: 3, magnitude: {magnitude:g}}}"


STORIES = {
    story.name: story
    for story in (
        Story(
            "snow",
            "snow falls on two cameras, and the wind turns a third",
            (_on_north("snow", 1.0), _WIND),
            regained=0.6,
            faulty=(TURNED,),
        ),
        Story("fog", "fog on two cameras, and the wind turns a third", (_on_north("fog", 0.6), _WIND), 0.6, (TURNED,)),
        Story(
            "night-ir",
            "two cameras go to infrared, the wind turns a third",
            (_on_north("ir-night", 1.0), _WIND),
            0.35,  # colour is gone: with 100 frames of random moments .52 comes back, with those of half a minute less
            (TURNED,),
        ),
        Story("camera-turned", "the wind turns a camera; nothing is to be learned", (_WIND,), faulty=(TURNED,)),
        Story(
            "firmware-swap",
            "new firmware exchanges red and blue on two cameras; nothing is to be learned",
            (_on_north("channel-swap", 1.0),),
            faulty=CHANGED,
        ),
        Story("bad-model", "a model that is broken comes beside the champion", (), bad_candidate=True),
    )
}
