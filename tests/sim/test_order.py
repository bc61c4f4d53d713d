from dataclasses import replace

import numpy as np
import pytest

from cvops_sim.objects.figure import Figure, figure_of
from cvops_sim.objects.kinds import Kind
from cvops_sim.objects.order import farthest_first, hidden_by_standing, range_along
from cvops_sim.objects.shape import Placement
from cvops_sim.raster import Box
from cvops_sim.renderer import Renderer
from cvops_sim.traffic import Actor
from cvops_sim.world import World

BLACK = np.zeros(3, np.float32)
BUS = Actor(1, Kind.BUS, Placement(-6.0, 22.0, 0.0, -1.0), 0.0, 0.0)


def seen(renderer: Renderer, actor: Actor) -> Figure:
    figure = figure_of(actor, renderer.camera.view(), None, BLACK)
    assert figure is not None
    return figure


def test_a_car_beside_the_tail_of_a_bus_is_drawn_over_it(urban: Renderer):
    """The bus's middle is nearer, but the car is between its tail and the camera."""
    car = Actor(2, Kind.CAR, Placement(-3.2, 25.0, 0.0, -1.0), 0.0, 0.0)
    beyond = replace(car, placement=Placement(-8.9, 20.0, 0.0, -1.0))
    bus = seen(urban, BUS)
    assert [f.actor.kind for f in farthest_first([seen(urban, car), bus])] == [Kind.BUS, Kind.CAR]
    assert [f.actor.kind for f in farthest_first([bus, seen(urban, beyond)])] == [Kind.CAR, Kind.BUS]


def test_the_far_is_drawn_before_the_near_whatever_the_order_they_come_in(urban: Renderer):
    people = [Actor(n, Kind.PEDESTRIAN, Placement(0.5, 18.0 + 5 * n, 0, 1), 0, 0) for n in range(5)]
    figures = [seen(urban, actor) for actor in people]
    expected = [figure.actor.track_id for figure in figures][::-1]
    for order in (figures, figures[::-1], figures[2:] + figures[:2]):
        assert [figure.actor.track_id for figure in farthest_first(order)] == expected


def test_the_axis_of_a_bus_is_where_its_line_of_sight_meets_it(urban: Renderer):
    bus = seen(urban, BUS)
    assert range_along(bus, -6.0, 24.0) == pytest.approx(np.hypot(6, 24), rel=1e-6)
    assert range_along(bus, -6.0, 20.0) == pytest.approx(np.hypot(6, 20), rel=1e-6)


def test_a_wall_hides_what_is_behind_it_and_nothing_that_is_before_it(urban: Renderer):
    figure = seen(urban, Actor(3, Kind.PEDESTRIAN, Placement(1.0, 25.0, 0, 1), 0, 0))
    view, box = urban.camera.view(), Box(300, 100, 330, 170)
    wall = np.full((360, 640), 5000.0, np.float32)
    wall[:, 310:] = 20.0
    hidden = hidden_by_standing(figure, wall, view, box)
    assert hidden is not None
    assert not hidden[:, :10].any()
    assert hidden[:, 10:].all()
    wall[:, 310:] = 30.0
    assert hidden_by_standing(figure, wall, view, box) is None


def test_a_post_between_the_camera_and_the_tail_of_a_bus_hides_it_although_the_bus_is_nearer(urban: Renderer):
    view, bus = urban.camera.view(), seen(urban, BUS)
    place = np.array([(-6.0, 1.5, 26.0), (-6.0, 1.5, 18.0)])
    (tail_x, tail_y), (front_x, front_y) = np.floor(view.project(place)[0]).astype(int)
    post_m = 25.0
    assert bus.range_m < post_m < np.hypot(6, 26)
    standing = np.full((360, 640), 5000.0, np.float32)
    standing[:, [tail_x, front_x]] = post_m
    box = Box(0, 0, 640, 360)
    hidden = hidden_by_standing(bus, standing, view, box)
    assert hidden is not None
    assert hidden[tail_y, tail_x]
    assert not hidden[front_y, front_x]


def test_no_pixel_of_an_object_is_seen_where_something_stands_nearer(renderer: Renderer):
    world = World(hour=17.4, traffic=1.4)
    standing_m = renderer._backdrops.at(world).standing_m
    behind = 0
    for at_s in range(600, 720, 8):
        frame = renderer.render(at_s, world)
        for index, truth in enumerate(frame.objects, start=1):
            left, top, right, bottom = truth.xyxy
            nearer = standing_m[top:bottom, left:right] < truth.distance_m - 6.5
            assert not (frame.instances[top:bottom, left:right][nearer] == index).any()
            behind += int(nearer.sum())
    assert behind > 20


def test_what_stands_looks_as_on_an_empty_road_where_no_object_hides_it(renderer: Renderer):
    """But for the fringe of a pixel's width around an object and the glare of brake lights; no shadow falls on it."""
    world = World(hour=11.0, traffic=3.0)
    empty = renderer.render(0, replace(world, traffic=0)).picture
    upright = renderer._backdrops.at(world).standing_m < 5000
    for at_s in range(600, 640, 4):
        frame = renderer.render(at_s, world)
        bare = upright & (frame.instances == 0)
        assert (frame.picture[bare] == empty[bare]).mean() > 0.9985
