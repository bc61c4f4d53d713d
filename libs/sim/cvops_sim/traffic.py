"""Who is on the road at a moment, without knowing the moments before.

Time is cut into blocks. The arrivals of a block are drawn by a key of place, lane and block, so any moment is found
by looking at the few blocks whose arrivals can still be on the road. Every object keeps its lane, its speed, its looks
and its track id for the whole way.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from cvops_sim.light import busyness
from cvops_sim.objects.kinds import Kind
from cvops_sim.objects.shape import Placement
from cvops_sim.objects.vehicles import LENGTH_M
from cvops_sim.rng import generator, number
from cvops_sim.scene.layout import Scene, SiteKind
from cvops_sim.world import World

BLOCK_S = 30.0
NEAR_M, FAR_M = -8.0, 150.0
BUSIEST = 2.0
"""Arrivals are drawn and spaced for this much traffic and thinned out to the hour's, so that no one's way depends on
who stays away."""
BEFORE_TIME_S = 1.1


@dataclass(frozen=True)
class Lane:
    """A line on which things of one sort move.

    Attributes:
        index: its number within the place.
        sort: "vehicles", "cycles" or "walkers".
        way: +1 away from the camera, -1 towards it.
        offset_m: from the centre line, right positive.
        speed: metres per second.
        per_min: arrivals a minute at a busyness of 1.
        headway_s: least time between two.
    """

    index: int
    sort: str
    way: int
    offset_m: float
    speed: float
    per_min: float
    headway_s: float


@dataclass(frozen=True)
class Arrival:
    """Someone who enters a lane.

    Attributes:
        number: identity, unique in the place.
        at_s: time of entry.
        kind: what it is.
        chance: uniform number that decides who stays away when there is less traffic.
        rides: uniform number that decides who takes a scooter.
        drift: uniform numbers that set its line within the lane.
    """

    number: int
    at_s: float
    kind: Kind
    chance: float
    rides: float
    drift: tuple[float, float, float]


@dataclass(frozen=True)
class Actor:
    """An object on the road at a moment.

    Attributes:
        track_id: its identity, the same in every frame.
        kind: its class.
        placement: where it stands and where it heads.
        way_m: how far it has come, which moves its legs.
        slowing: 0 to 1, how hard it brakes.
    """

    track_id: int
    kind: Kind
    placement: Placement
    way_m: float
    slowing: float


@lru_cache(maxsize=64)
def lanes_of(scene: Scene) -> tuple[Lane, ...]:
    """All lanes, cycle tracks and footways of a place."""
    road = scene.road
    lanes: list[Lane] = []

    def add(sort: str, way: int, offset: float, speed: float, per_min: float, headway: float) -> None:
        lanes.append(Lane(len(lanes), sort, way, offset, speed, per_min, headway))

    for way in (1, -1):
        for lane in range(road.lanes):
            speed = scene.lane_speeds[(0 if way > 0 else 2) + lane]
            add("vehicles", way, way * (lane + 0.5) * road.lane_m, speed, 12 / road.lanes**0.7, 1.9)
        path = road.cycle_path_m
        offset = road.half_m + path / 2 if path else road.half_m - 0.55
        add("cycles", way, way * offset, 5.2, (2.4 if path else 1.2) * 0.9, 2.5)
        if scene.kind is not SiteKind.RURAL:
            for share, same in ((0.35, 1), (0.75, 1), (0.45, -1), (0.62, -1)):
                offset = way * same * (road.kerb_m + road.pavement_m * share)
                add("walkers", way, offset, 1.35 if same > 0 else 1.25, 1.3, 1.0)
    return tuple(lanes)


@lru_cache(maxsize=4096)
def _arrivals(seed: int, lane: Lane, rate: float, block: int) -> tuple[Arrival, ...]:
    """Everyone who could enter a lane in a block of time, if traffic were at its busiest."""
    rng = generator(seed, "arrivals", lane.index, block)
    count = int(rng.poisson(lane.per_min * rate * BUSIEST * BLOCK_S / 60))
    times, numbers = np.sort(rng.random(count)) * BLOCK_S, rng.random((count, 6))
    arrivals = []
    for i in range(count):
        u = numbers[i]
        kind = _kind(lane.sort, float(u[1]))
        arrivals.append(
            Arrival(
                number(seed, lane.index, block, i),
                block * BLOCK_S + float(times[i]),
                kind,
                float(u[0]),
                float(u[2]),
                (float(u[3]), float(u[4]), float(u[5])),
            )
        )
    return tuple(_spaced(arrivals, lane, (block + 1) * BLOCK_S))


def _kind(sort: str, u: float) -> Kind:
    if sort == "walkers":
        return Kind.PEDESTRIAN
    if sort == "cycles":
        return Kind.CYCLIST
    return Kind.CAR if u < 0.70 else Kind.VAN if u < 0.83 else Kind.TRUCK if u < 0.93 else Kind.BUS


def _spaced(candidates: list[Arrival], lane: Lane, end_s: float) -> list[Arrival]:
    """Arrivals with their least distance in time; who does not fit into the block any more stays away."""
    kept: list[Arrival] = []
    free_from = -math.inf
    for arrival in candidates:
        at_s = max(arrival.at_s, free_from + lane.headway_s)
        passed = at_s + LENGTH_M.get(arrival.kind, 1.8) / lane.speed
        if passed + BEFORE_TIME_S > end_s:
            continue
        free_from = passed
        kept.append(replace(arrival, at_s=at_s))
    return kept


def actors_at(scene: Scene, world: World, time_s: float) -> list[Actor]:
    """Everything that moves at `time_s`, in no order.

    Args:
        scene: the place.
        world: its hour, traffic, scooters and roadworks count.
        time_s: seconds on the simulation's clock.
    """
    share = min(1.0, busyness(world.hour) * world.traffic / BUSIEST)
    actors: list[Actor] = []
    for lane in lanes_of(scene):
        if world.works and _closed(scene, lane):
            continue
        longest_s = (FAR_M - NEAR_M) / lane.speed
        first = math.floor((time_s - longest_s) / BLOCK_S) - 1
        for block in range(first, math.floor(time_s / BLOCK_S) + 1):
            for arrival in _arrivals(scene.seed, lane, scene.traffic_rate, block):
                age_s = time_s - arrival.at_s
                if arrival.chance < share and 0 <= age_s <= longest_s:
                    actors.append(_actor(scene, lane, arrival, age_s, world.scooters))
    return actors


def _closed(scene: Scene, lane: Lane) -> bool:
    """Whether roadworks close a lane: the outer right one and what runs beside it."""
    return lane.sort != "walkers" and lane.offset_m > scene.road.half_m - scene.road.lane_m - 0.2


def _actor(scene: Scene, lane: Lane, arrival: Arrival, age_s: float, scooters: float) -> Actor:
    lively = 1.2 if lane.sort == "vehicles" else 0.3
    phase = 0.21 * age_s + arrival.drift[0] * 2 * math.pi
    way_m = age_s * lane.speed + lively * math.sin(phase)
    z = NEAR_M + way_m if lane.way > 0 else FAR_M - way_m
    sideways = (arrival.drift[1] - 0.5) * (0.35 if lane.sort == "vehicles" else 0.3)
    sideways += 0.08 * math.sin(age_s * 0.5 + arrival.drift[2] * 6)
    slope = math.atan(scene.road.slope(z))
    x = float(scene.road.centre_x(z)) + lane.offset_m + sideways
    placement = Placement(x, z, lane.way * math.sin(slope), lane.way * math.cos(slope))
    kind = arrival.kind
    if arrival.rides < scooters * {"cycles": 1.0, "walkers": 0.35}.get(lane.sort, 0.0):
        kind = Kind.SCOOTER
    slowing = max(0.0, math.sin(phase)) if lane.sort == "vehicles" else 0.0
    return Actor(arrival.number, kind, placement, way_m, slowing)
