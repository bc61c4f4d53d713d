from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from cvops_sim.objects.kinds import VEHICLES, Kind
from cvops_sim.objects.vehicles import LENGTH_M
from cvops_sim.scene.layout import Scene, SiteKind, make_scene
from cvops_sim.traffic import Actor, actors_at, lanes_of
from cvops_sim.world import World

RUSH = World(hour=17.4, traffic=1.4)
SCENES = [make_scene(seed, kind) for seed, kind in enumerate(SiteKind, start=31)]


@pytest.fixture(params=SCENES, ids=lambda scene: str(scene.kind))
def scene(request: pytest.FixtureRequest) -> Scene:
    return request.param


def test_the_same_moment_has_the_same_actors_whatever_was_asked_before(scene: Scene):
    first = actors_at(scene, RUSH, 600)
    actors_at(scene, RUSH, 1e6)
    assert actors_at(make_scene(scene.seed, scene.kind), RUSH, 600) == first
    assert first


def test_everyone_keeps_class_and_identity_and_moves_without_jumps(scene: Scene):
    before: dict[int, Actor] = {}
    kept = 0
    for at_s in np.arange(600, 640, 0.2):
        now = {actor.track_id: actor for actor in actors_at(scene, RUSH, float(at_s))}
        for track, actor in now.items():
            if track in before:
                old = before[track]
                step = np.hypot(actor.placement.x - old.placement.x, actor.placement.z - old.placement.z)
                assert actor.kind is old.kind
                assert step < 0.2 * 20
                kept += 1
        before = now
    assert kept > 500


def test_no_one_appears_or_vanishes_within_sight(scene: Scene):
    before: dict[int, Actor] = {}
    for at_s in np.arange(600, 660, 0.5):
        now = {actor.track_id: actor for actor in actors_at(scene, RUSH, float(at_s))}
        for track in now.keys() ^ before.keys() if before else ():
            z = (now.get(track) or before[track]).placement.z
            assert z < 2.5 or z > 135
        before = now


def test_vehicles_of_a_lane_do_not_run_into_each_other(scene: Scene):
    for at_s in np.arange(600, 700, 2.0):
        vehicles = [a for a in actors_at(scene, RUSH, float(at_s)) if a.kind in VEHICLES]
        for one, two in combinations(vehicles, 2):
            aside = abs(offset(scene, one) - offset(scene, two))
            if aside < 1.5:
                gap = abs(one.placement.z - two.placement.z) - (LENGTH_M[one.kind] + LENGTH_M[two.kind]) / 2 * 1.04
                assert gap > 0.5


def offset(scene: Scene, actor: Actor) -> float:
    return float(actor.placement.x - scene.road.centre_x(actor.placement.z))


def test_there_is_no_one_without_traffic_and_more_of_it_adds_without_moving_the_others(scene: Scene):
    assert actors_at(scene, replace(RUSH, traffic=0), 600) == []
    some, more = (actors_at(scene, replace(RUSH, traffic=share), 600) for share in (0.4, 1.2))
    assert len(some) < len(more)
    assert all(actor in more for actor in some)


def test_a_night_is_quieter_than_the_rush_hour(scene: Scene):
    moments = range(600, 1800, 60)
    night, rush = (sum(len(actors_at(scene, World(hour=hour), t)) for t in moments) for hour in (2.0, 17.4))
    assert night < 0.35 * rush


def test_scooters_ride_only_when_asked_for_and_take_the_place_of_others(scene: Scene):
    plain = actors_at(scene, RUSH, 600)
    with_scooters = actors_at(scene, replace(RUSH, scooters=1.0), 600)
    assert Kind.SCOOTER not in {actor.kind for actor in plain}
    assert [actor.track_id for actor in plain] == [actor.track_id for actor in with_scooters]
    assert Kind.CYCLIST not in {actor.kind for actor in with_scooters}
    many = [a for t in range(600, 900, 30) for a in actors_at(scene, replace(RUSH, scooters=1.0), t)]
    assert Kind.SCOOTER in {actor.kind for actor in many}


def test_roadworks_close_the_outer_right_lane(scene: Scene):
    road = scene.road
    for at_s in range(600, 700, 10):
        for actor in actors_at(scene, replace(RUSH, works=True), at_s):
            if actor.kind is not Kind.PEDESTRIAN:
                assert offset(scene, actor) < road.half_m - road.lane_m + 0.4
    open_road = [a for t in range(600, 700, 10) for a in actors_at(scene, RUSH, t) if a.kind in VEHICLES]
    assert any(offset(scene, actor) > road.half_m - road.lane_m + 0.4 for actor in open_road)


def test_vehicles_keep_to_the_right_and_walkers_to_the_pavement(scene: Scene):
    for actor in actors_at(scene, RUSH, 600):
        aside = offset(scene, actor)
        if actor.kind in VEHICLES:
            assert np.sign(aside) == np.sign(actor.placement.forward_z)
            assert abs(aside) < scene.road.half_m
        elif actor.kind is Kind.PEDESTRIAN:
            assert scene.road.kerb_m < abs(aside) < scene.road.built_m
    assert len({lane.index for lane in lanes_of(scene)}) == len(lanes_of(scene))
