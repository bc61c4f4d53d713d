"""Single frames of cameras at many moments: what a model is trained and tested on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from cvops_sim.effects.registry import EFFECTS
from cvops_sim.fleet import Mounted
from cvops_sim.rng import generator
from cvops_sim.scenario import EPOCH_NS
from cvops_sim.simcam import Clock, SimCamera, SimFrame
from cvops_sim.timeline import Occurrence
from cvops_sim.truth import FrameTruth

_SPAN_S = 400_000


def stills(
    cameras: Sequence[Mounted],
    count: int,
    *,
    seed: int,
    hours: Sequence[float],
    effects: Mapping[str, float] | None = None,
) -> Iterator[SimFrame]:
    """Frames of random moments, the same for the same seed; every camera and hour in turn.

    Args:
        cameras: to take frames of.
        count: frames in all.
        seed: of the moments.
        hours: local times of day, 0 to 24.
        effects: that are at work in all of them, name to magnitude.
    """
    occurrences = tuple(
        Occurrence(EFFECTS[name], magnitude, 0.0, 0.0, float("inf")) for name, magnitude in (effects or {}).items()
    )
    random = generator(seed, "stills")
    made: dict[tuple[str, float], SimCamera] = {}
    for number in range(count):
        mounted = cameras[number % len(cameras)]
        hour = hours[number // len(cameras) % len(hours)]
        key = (mounted.camera_id, hour)
        if key not in made:
            made[key] = SimCamera(mounted, occurrences, Clock(1.0, EPOCH_NS, hour, 0.0))
        frame = made[key].frame(int(random.integers(_SPAN_S)))
        if frame is not None:
            yield frame


def with_classes(truth: FrameTruth, renamed: Mapping[str, str]) -> FrameTruth:
    """The truth for a model that knows fewer classes: objects are renamed, e.g. {"van": "car"}."""
    objects = (replace(each, class_name=renamed.get(each.class_name, each.class_name)) for each in truth.objects)
    return replace(truth, objects=tuple(objects))
