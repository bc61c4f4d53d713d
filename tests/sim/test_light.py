import numpy as np
import pytest

from cvops_sim.light import SUNRISE_H, SUNSET_H, busyness, light_at
from cvops_sim.lighting import infrared_reach
from cvops_sim.renderer import Renderer
from cvops_sim.scene.layout import make_scene
from cvops_sim.shading import Shading
from cvops_sim.world import World

HOURS = np.arange(0, 24, 1 / 12)


def test_it_is_full_day_at_noon_and_full_night_at_midnight():
    assert light_at(12, 0.0).day == 1
    assert light_at(12, 0.0).casts_shadows
    assert light_at(0, 0.0).day == 0
    assert light_at(0, 0.0).night == 1
    assert not light_at(0, 0.0).casts_shadows


def test_light_comes_and_goes_without_a_jump():
    day = np.array([light_at(float(hour), 0.0).day for hour in HOURS])
    assert np.abs(np.diff(np.append(day, day[0]))).max() < 0.12


def test_a_low_sun_is_warm_and_a_high_one_is_not():
    assert light_at(SUNRISE_H + 0.2, 0.0).warm > 0.8
    assert light_at(SUNSET_H - 0.2, 0.0).warm > 0.8
    assert light_at(12.5, 0.0).warm < 0.01
    blue, _, red = light_at(SUNSET_H - 0.2, 0.0).tint()
    assert red > 1.1 * blue


def test_the_sun_moves_and_shadows_are_longest_when_it_is_low():
    morning, noon = light_at(8, 1.0).sun, light_at(12.75, 1.0).sun
    assert np.hypot(morning[0], morning[2]) / morning[1] > 2 * np.hypot(noon[0], noon[2]) / noon[1]
    assert np.arctan2(morning[2], morning[0]) < np.arctan2(noon[2], noon[0])


def test_darkness_takes_the_day_but_not_the_hour():
    light = light_at(12, 0.0, dark=1.0)
    assert light.day == 0
    assert light_at(12, 0.0, dark=0.5).day == pytest.approx(0.5)
    assert not light.casts_shadows


def test_hours_wrap_around_midnight():
    assert light_at(25, 0.3).day == light_at(1, 0.3).day
    assert busyness(25) == busyness(1)


def test_the_rush_hours_are_the_busiest_and_the_night_is_quiet():
    assert busyness(17.4) > 1 > busyness(11) > busyness(3)
    assert busyness(8.3) > busyness(11)


def test_infrared_light_does_not_reach_far():
    near, far = infrared_reach(5.0), infrared_reach(120.0)
    assert near == 1
    assert far < 0.05


def test_fog_is_bright_by_day_and_dark_by_night():
    assert light_at(12, 0.0).haze().mean() > 190
    assert light_at(0, 0.0).haze().mean() < 60
    assert np.ptp(light_at(0, 0.0, infrared=1.0).haze()) == 0


def test_objects_are_darker_in_shadow_and_fade_to_haze_in_fog():
    scene, white = make_scene(3), np.full((1, 3), 180, np.float32)
    clear = Shading(scene, light_at(11, scene.sun_azimuth), 0.0, 0.0)
    foggy = Shading(scene, light_at(11, scene.sun_azimuth), 0.05, 0.0)
    assert clear.seen(white, 3, 20, 1.0).mean() < 0.93 * clear.seen(white, 3, 20, 0.0).mean()
    assert np.allclose(foggy.seen(white, 3, 140, 0.0), foggy.light.haze(), atol=1)
    assert foggy.transmission(20) == pytest.approx(np.exp(-1))


def test_objects_are_brighter_beneath_a_street_lamp_at_night():
    scene, white = make_scene(3), np.full((1, 3), 180, np.float32)
    night = Shading(scene, light_at(0, scene.sun_azimuth), 0.0, 0.0)
    lamp = scene.lamps[1]
    beneath, between = night.seen(white, lamp.head_x, lamp.z, 0.0), night.seen(white, lamp.head_x, lamp.z + 300, 0.0)
    assert beneath.mean() > 2.5 * between.mean()


def test_shadows_wander_with_the_sun(renderer: Renderer):
    backdrops = renderer._backdrops
    morning, evening = (backdrops.at(World(hour=hour, traffic=0)) for hour in (9.0, 16.5))
    dark = [(frame.sunlit < 128) & (frame.open_ground > 0) for frame in (morning, evening)]
    assert all(plane.sum() > 200 for plane in dark)
    assert (dark[0] & dark[1]).sum() < 0.7 * min(plane.sum() for plane in dark)
