"""All kinds of effects, by name."""

from collections.abc import Mapping
from types import MappingProxyType

from cvops_sim.effects import clock, image, labels, lens, world
from cvops_sim.effects.kind import Kind

EFFECTS: Mapping[str, Kind] = MappingProxyType(
    {kind.name: kind for module in (world, lens, image, clock, labels) for kind in module.KINDS}
)
