"""Domain drift on simulated cameras with the demo's model: new cameras in fair weather, and in what it never learned.

Twelve cameras that the model was not trained on, at eleven o'clock, 24 frames ten seconds apart; then the first two of
them in other weather and light, and with faults. Named: by the evidence that e-BH asks of a single one of 18 cameras.
The fleet are the six cameras of the training data and the other new ones in fair weather.
"""

import cv2
import numpy as np

from cvops_bundles.bundle import open_bundle
from cvops_bundles.session import open_session, run_of
from cvops_local.demo.champion import shipped
from cvops_local.demo.story import STORIES
from cvops_monitoring.domain.e_values import e_bh_threshold
from cvops_monitoring.domain.fleet import against_fleet
from cvops_monitoring.domain.signature import Signature
from cvops_monitoring.domain.training import against_training, training_moments
from cvops_sim.effects.registry import EFFECTS
from cvops_sim.fleet import Mounted, mount
from cvops_sim.scenario import EPOCH_NS
from cvops_sim.simcam import Clock, SimCamera
from cvops_sim.timeline import Occurrence
from cvops_vision.letterbox import fill
from tests.bench.table import markdown

FRAMES, GAP, NEW = 24, 10, 12
EFFECTS_SEEN = (
    ("fog", 0.6),
    ("snow", 1),
    ("ir-night", 1),
    ("night", 1),
    ("colour-cast", 1),
    ("rain", 1),
    ("dirt", 0.6),
)


def main() -> str:
    """Runs the benchmark and gives its table."""
    cv2.setNumThreads(1)
    bundle = open_bundle(shipped())
    run, size = run_of(open_session(bundle.model_bytes())), bundle.spec.input
    training = training_moments(bundle.reference())
    assert training is not None

    def seen(mounted: Mounted, effect: str = "", magnitude: float = 0.0) -> Signature:
        occurrences = [Occurrence(EFFECTS[effect], magnitude)] if effect else []
        camera = SimCamera(mounted, occurrences, Clock(1.0, EPOCH_NS, 11.0, 1.0))
        slots = np.empty((FRAMES, size.height, size.width, 3), np.uint8)
        for i, slot in enumerate(slots):
            frame = camera.frame(i * GAP)
            assert frame is not None
            fill(np.ascontiguousarray(frame.picture[:, :, ::-1]), slot, size.resize)
        embeddings = run(slots)["embedding"].astype(np.float16).astype(np.float32)
        return Signature(embeddings, embeddings.mean(0), {})

    known = {mounted.camera_id: seen(mounted) for mounted in STORIES["snow"].scenario(60.0, 1).cameras}
    sites = [mount(50 + i, f"site{i}", 0, kind=None, firmware="1.0", size_wh=(640, 360)) for i in range(NEW)]
    fair = {mounted.camera_id: seen(mounted) for mounted in sites}
    needed = e_bh_threshold([1.0], 0.1, len(known) + NEW)

    def row(name: str, cameras: dict[str, Signature]) -> tuple[str, ...]:
        trained, fleet = [], []
        for camera_id, signature in cameras.items():
            verdict = against_training(training, signature.frames, signature.mean)
            others = {other: each for other, each in (known | fair).items() if other != camera_id}
            beside = against_fleet(others, signature)
            assert verdict is not None
            assert beside is not None
            trained.append((verdict.evidence, verdict.distance))
            fleet.append(beside.evidence)
        far = (
            " / ".join(f"{distance:.1f}" for _, distance in trained)
            if len(trained) < NEW / 2
            else (f"{min(each for _, each in trained):.1f}-{max(each for _, each in trained):.1f}")
        )
        return (
            name, f"{sum(each >= needed for each, _ in trained)} of {len(trained)}", far,
            f"{sum(each >= needed for each in fleet)} of {len(fleet)}",
        )  # fmt: skip

    rows = [row("trained on these, fair weather", known), row("never seen, fair weather", fair)]
    for effect, magnitude in EFFECTS_SEEN:
        rows.append(
            row(f"{effect} {magnitude:g}", {each.camera_id: seen(each, effect, magnitude) for each in sites[:2]})
        )
    title = "Domain drift on simulated cameras: who is named as unlike, at a false discovery rate of 10 %"
    return markdown(title, ("cameras", "unlike training", "distance, sd", "unlike the fleet"), rows)


if __name__ == "__main__":
    print(main())
