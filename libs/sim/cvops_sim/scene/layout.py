"""What stands where beside a road, chosen by a seed."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from cvops_sim.arrays import Colour, rgb
from cvops_sim.rng import generator, number
from cvops_sim.scene.road import Road, make_road


class SiteKind(StrEnum):
    """The surroundings of a road."""

    SUBURB = "suburb"
    """Houses with gardens and trees."""
    URBAN = "urban"
    """Tall fronts along wide pavements."""
    RURAL = "rural"
    """Verges, meadows and loose trees."""


@dataclass(frozen=True)
class Tree:
    """A tree at the ground point (x, z), in metres; `tint` 0 to 3 picks its green."""

    x: float
    z: float
    height_m: float
    width_m: float
    tint: int
    seed: int


@dataclass(frozen=True)
class Lamp:
    """A street lamp; its arm reaches over the road, which lies towards -`side`."""

    x: float
    z: float
    height_m: float
    side: int

    @property
    def head_x(self) -> float:
        """World x of the lamp's head."""
        return self.x - self.side * 2.2


@dataclass(frozen=True)
class Building:
    """A house or a block, its near corner at (x, z), `side` telling on which side of the road it stands."""

    x: float
    z: float
    far_x: float
    length_m: float
    depth_m: float
    height_m: float
    side: int
    gabled: bool
    seed: int


@dataclass(frozen=True)
class Sign:
    """A traffic sign: 0 prohibition, 1 obligation, 2 warning."""

    x: float
    z: float
    shape: int


@dataclass(frozen=True, eq=False)
class Palette:
    """Colours of a place."""

    grass: Colour
    pavement: Colour
    sky_low: Colour
    sky_high: Colour
    hills: Colour
    asphalt: float
    asphalt_warmth: float


@dataclass(frozen=True, eq=False)
class Scene:
    """A place: everything about it that does not change with time.

    Attributes:
        seed: key of everything random here.
        cloudiness: 0 to 1.
        hill_height: height of the skyline as an angle in radians.
        sun_azimuth: where the sun stands at noon, radians from the x axis.
        traffic_rate: traffic against the usual.
        lane_speeds: metres per second by lane, two ways with up to two lanes each.
    """

    seed: int
    kind: SiteKind
    road: Road
    palette: Palette
    trees: tuple[Tree, ...]
    lamps: tuple[Lamp, ...]
    buildings: tuple[Building, ...]
    signs: tuple[Sign, ...]
    cloudiness: float
    hill_height: float
    sun_azimuth: float
    traffic_rate: float
    lane_speeds: tuple[float, float, float, float]


GRASS = (rgb(104, 128, 62), rgb(120, 134, 78), rgb(84, 112, 58), rgb(142, 138, 84))
PAVEMENT = (rgb(168, 162, 152), rgb(152, 150, 148), rgb(176, 160, 144))
SKIES = (
    (rgb(198, 214, 228), rgb(86, 138, 205)),
    (rgb(214, 220, 224), rgb(112, 150, 196)),
    (rgb(206, 210, 214), rgb(146, 160, 178)),
    (rgb(190, 212, 232), rgb(70, 124, 200)),
)
HILLS = (rgb(96, 118, 108), rgb(110, 126, 134), rgb(92, 112, 84))
TREE_CHANCE = {SiteKind.URBAN: 0.45, SiteKind.SUBURB: 0.85, SiteKind.RURAL: 0.75}


def make_scene(seed: int, kind: SiteKind | None = None) -> Scene:
    """The place of `seed`; its surroundings are drawn too when `kind` is not given."""
    kind = kind or list(SiteKind)[number(seed, "kind") % len(SiteKind)]
    road = make_road(generator(seed, "road"), rural=kind is SiteKind.RURAL)
    rng = generator(seed, "weather and traffic")
    speeds = rng.uniform(9.5, 15.0, 4) * (1.15 if kind is SiteKind.RURAL else 1.0)
    return Scene(
        seed=seed,
        kind=kind,
        road=road,
        palette=_palette(generator(seed, "palette")),
        trees=tuple(tree for side in (-1, 1) for tree in _trees(seed, side, kind, road)),
        lamps=tuple(lamp for side in (-1, 1) for lamp in _lamps(seed, side, road)),
        buildings=tuple(building for side in (-1, 1) for building in _buildings(seed, side, kind, road)),
        signs=tuple(sign for side in (-1, 1) for sign in _signs(seed, side, kind, road)),
        cloudiness=float(rng.uniform(0.25, 0.75)),
        hill_height=float(rng.uniform(0.02, 0.075)),
        sun_azimuth=float(rng.uniform(0, 2 * np.pi)),
        traffic_rate=float(rng.uniform(0.75, 1.25)),
        lane_speeds=(float(speeds[0]), float(speeds[1]), float(speeds[2]), float(speeds[3])),
    )


def _palette(rng: np.random.Generator) -> Palette:
    low, high = SKIES[int(rng.integers(len(SKIES)))]
    return Palette(
        grass=GRASS[int(rng.integers(len(GRASS)))],
        pavement=PAVEMENT[int(rng.integers(len(PAVEMENT)))],
        sky_low=low,
        sky_high=high,
        hills=HILLS[int(rng.integers(len(HILLS)))],
        asphalt=float(rng.uniform(100, 134)),
        asphalt_warmth=float(rng.uniform(-4, 5)),
    )


def _trees(seed: int, side: int, kind: SiteKind, road: Road) -> list[Tree]:
    rng = generator(seed, "trees", side)
    rural = kind is SiteKind.RURAL
    trees = []
    z = float(rng.uniform(13, 20))
    while z < 230:
        if rng.random() < TREE_CHANCE[kind]:
            offset = road.built_m + float(rng.uniform(0.6, 2.0)) + (float(rng.uniform(0, 9)) if rural else 0.0)
            trees.append(_tree(rng, road.centre_x(z) + side * offset, z, (5.0, 9.5), (3.2, 5.4)))
        z += float(rng.uniform(6, 13))
    for _ in range(14 if rural else 0):
        z = float(rng.uniform(50, 260))
        trees.append(_tree(rng, road.centre_x(z) + side * float(rng.uniform(18, 90)), z, (6.0, 11.0), (4.0, 8.0)))
    return trees


def _tree(
    rng: np.random.Generator, x: float, z: float, heights: tuple[float, float], widths: tuple[float, float]
) -> Tree:
    height_m, width_m = float(rng.uniform(*heights)), float(rng.uniform(*widths))
    return Tree(float(x), z, height_m, width_m, int(rng.integers(4)), int(rng.integers(1 << 30)))


def _lamps(seed: int, side: int, road: Road) -> list[Lamp]:
    rng = generator(seed, "lamps", side)
    first = float(rng.uniform(14, 22)) + (0.0 if side > 0 else 14.0)
    return [
        Lamp(float(road.centre_x(z) + side * (road.kerb_m + 0.55)), float(z), float(rng.uniform(7.4, 8.2)), side)
        for z in np.arange(first, 190, 28)
    ]


def _buildings(seed: int, side: int, kind: SiteKind, road: Road) -> list[Building]:
    if kind is SiteKind.RURAL:
        return []
    rng = generator(seed, "buildings", side)
    urban = kind is SiteKind.URBAN
    z = float(rng.uniform(16, 28)) if urban else float(rng.uniform(22, 40))
    buildings = []
    while z < 260:
        length_m = float(rng.uniform(12, 26)) if urban else float(rng.uniform(9, 13))
        height_m = float(rng.uniform(8, 24)) if urban else float(rng.uniform(4.5, 7.5))
        offset = side * (road.built_m + (float(rng.uniform(2.6, 5)) if urban else float(rng.uniform(7, 12))))
        near_x = float(road.centre_x(z) + offset)
        far_x = float(road.centre_x(z + length_m) + offset)
        depth_m, own_seed = float(rng.uniform(10, 15)), int(rng.integers(1 << 30))
        buildings.append(Building(near_x, z, far_x, length_m, depth_m, height_m, side, not urban, own_seed))
        z += length_m + (float(rng.uniform(0, 3)) if urban else float(rng.uniform(5, 14)))
    return buildings


def _signs(seed: int, side: int, kind: SiteKind, road: Road) -> list[Sign]:
    rng = generator(seed, "signs", side)
    if kind is SiteKind.RURAL or rng.random() > 0.8:
        return []
    z = float(rng.uniform(18, 40))
    return [Sign(float(road.centre_x(z) + side * (road.kerb_m + 0.5)), z, int(rng.integers(3)))]
