"""The classes of things that move."""

from enum import StrEnum


class Kind(StrEnum):
    """A class of objects; the order is the order of class ids."""

    CAR = "car"
    """Saloons, hatchbacks and SUVs."""
    VAN = "van"
    """Delivery vans and minibuses."""
    TRUCK = "truck"
    """Lorries with a box body."""
    BUS = "bus"
    """City buses."""
    CYCLIST = "cyclist"
    """A person on a bicycle, both in one box."""
    PEDESTRIAN = "pedestrian"
    """A person on foot."""
    SCOOTER = "scooter"
    """A person on an electric kick scooter; seen only when the scooters effect is on."""


CLASSES: tuple[str, ...] = tuple(Kind)
"""Class names by class id."""

VEHICLES = (Kind.CAR, Kind.VAN, Kind.TRUCK, Kind.BUS)
