"""What a model can do: true mAP50 on moments that nobody has seen, in fair weather and in the changed world.

The live score of a few seconds hangs on what happens to drive by; this one is the same for every model.
"""

from collections.abc import Sequence
from pathlib import Path

from cvops_bundles.bundle import open_bundle
from cvops_local.demo.champion import examples_of
from cvops_local.demo.outcome import Mark
from cvops_local.demo.story import CLASSES
from cvops_sim.fleet import Mounted
from cvops_sim.scenario import Scenario
from cvops_training.evaluation import evaluate
from cvops_training.examples import Example
from cvops_training.predict import bundle_forward, predict

_MOMENTS, _SEED = 60, 97


class Examination:
    """60 moments of some cameras, without and with what happens to them in a scenario."""

    def __init__(self, scenario: Scenario, cameras: Sequence[str]) -> None:
        """Renders them; takes some seconds."""
        mounted, effects = changed_world(scenario, cameras)
        hours = (scenario.hour,)
        self._fair = list(examples_of(mounted, _MOMENTS, seed=_SEED, hours=hours))
        self._changed = list(examples_of(mounted, _MOMENTS, seed=_SEED, hours=hours, effects=effects))

    def of(self, bundle: Path) -> Mark:
        """How a model does; its classes are those of the demo."""
        return Mark(map50(bundle, self._fair), map50(bundle, self._changed))


def changed_world(scenario: Scenario, cameras: Sequence[str]) -> tuple[tuple[Mounted, ...], dict[str, float]]:
    """Some cameras of a scenario, and what happens to them in it, name to magnitude."""
    mounted = tuple(each for each in scenario.cameras if each.camera_id in cameras)
    return mounted, {each.kind.name: each.magnitude for each in scenario.occurrences[mounted[0].camera_id]}


def map50(path: Path, examples: Sequence[Example]) -> float:
    """Of a bundle's detections."""
    bundle = open_bundle(path)
    detection = bundle.spec.detection
    assert detection is not None, "the demo's models detect"
    found, _ = predict(bundle_forward(bundle), examples, detection)
    return evaluate(examples, found, CLASSES).map50
