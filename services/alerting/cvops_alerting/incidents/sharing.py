"""What the cameras of an incident have in common and the others have not. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

Attributes = Mapping[str, Mapping[str, str]]
"""Of every camera of a project, by camera id: name of the attribute -> value."""

_LEAST_SEPARATION = 0.5
_ORDER = ("firmware", "model", "site", "lens")


@dataclass(frozen=True, slots=True)
class Shared:
    """One attribute, and how well it tells the cameras with a fault from those without.

    Attributes:
        name: of the attribute, e.g. "firmware".
        value: e.g. "2.1".
        faulty: cameras that have the value and the fault.
        having: cameras that have the value.
        faulty_others: cameras that have another value, and the fault.
        others: cameras that have another value.
    """

    name: str
    value: str
    faulty: int
    having: int
    faulty_others: int
    others: int

    def __str__(self) -> str:
        """`name=value`."""
        return f"{self.name}={self.value}"

    @property
    def sentence(self) -> str:
        """E.g. "firmware=2.1: 4 of 4 cameras, 0 of 8 others"."""
        return f"{self}: {self.faulty} of {self.having} cameras, {self.faulty_others} of {self.others} others"

    @property
    def separation(self) -> float:
        """Share of the faulty cameras that have the value, minus share of the healthy ones that do; -1..1."""
        healthy_having, healthy_others = self.having - self.faulty, self.others - self.faulty_others
        found = self.faulty / (self.faulty + self.faulty_others)
        return found - healthy_having / (healthy_having + healthy_others)


def separating(faulty: Collection[str], fleet: Attributes, camera_id: str | None = None) -> Shared | None:
    """The attribute that best separates the cameras with a fault from the others of the fleet.

    Args:
        faulty: ids of the cameras with the fault.
        fleet: every camera of the project; cameras that are not in it count for nothing.
        camera_id: only attributes of this camera; None: of any.

    Returns:
        None when fewer than two faulty cameras share a value, when no camera without the fault lacks it, or when it
        separates by less than half.

    Example:
        four of twelve cameras are late, and these four have firmware 2.1 -> "firmware=2.1".
    """
    known = [each for each in faulty if each in fleet]
    asked = known if camera_id is None else [each for each in known if each == camera_id]
    candidates = {pair for each in asked for pair in fleet[each].items()}
    found = [_count(name, value, known, fleet) for name, value in sorted(candidates, key=_rank)]
    usable = [each for each in found if each.faulty >= 2 and each.others > each.faulty_others]
    best = max(usable, key=lambda each: each.separation, default=None)
    return best if best is not None and best.separation >= _LEAST_SEPARATION else None


def is_whole_fleet(faulty: Collection[str], fleet: Attributes) -> bool:
    """Whether every camera of a fleet of two or more is at fault."""
    return len(fleet) > 1 and fleet.keys() <= set(faulty)


def _count(name: str, value: str, faulty: Collection[str], fleet: Attributes) -> Shared:
    having = {camera for camera, attributes in fleet.items() if attributes.get(name) == value}
    ill = set(faulty)
    return Shared(name, value, len(having & ill), len(having), len(ill - having), len(fleet) - len(having))


def _rank(pair: tuple[str, str]) -> tuple[int, str, str]:
    name, value = pair
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER), name, value)
