"""What changes in the labels though the picture stays."""

from dataclasses import replace

from cvops_sim.effects.kind import ActsOn, Kind
from cvops_sim.objects.kinds import Kind as Thing
from cvops_sim.truth import ObjectTruth


def _vans_are_trucks(thing: ObjectTruth, magnitude: float) -> ObjectTruth:  # noqa: ARG001
    return replace(thing, class_name=Thing.TRUCK.value) if thing.class_name == Thing.VAN else thing


KINDS = (
    Kind(
        "label-definition", ActsOn.TRUTH, "the guide changes: vans count as trucks", "above 0: changed",
        truth=_vans_are_trucks,
    ),
)  # fmt: skip
