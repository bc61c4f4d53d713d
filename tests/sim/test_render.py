import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest

from cvops_sim.camera import Turn
from cvops_sim.objects.kinds import VEHICLES
from cvops_sim.renderer import Renderer
from cvops_sim.sensor import add_noise
from cvops_sim.world import World

BUSY = World(hour=17.4, traffic=1.4)
OTHER_PROCESS = """
import hashlib
from cvops_sim.camera import Turn, make_camera
from cvops_sim.renderer import Renderer
from cvops_sim.scene.layout import make_scene
from cvops_sim.sensor import add_noise
from cvops_sim.world import World

renderer = Renderer(make_scene(5), make_camera(5))
for at_s, world in {frames}:
    frame = renderer.render(at_s, world)
    noisy = add_noise(frame.picture, renderer.camera, frame.light, at_s)
    print(hashlib.sha256(noisy.tobytes() + repr(frame.objects).encode() + frame.instances.tobytes()).hexdigest())
"""
FRAMES = [
    (600.0, World(hour=8.3)),
    (601.7, World(hour=22.5, traffic=3)),
    (90_000.25, World(hour=18.9, snow=0.6, turn=Turn(2.5, -1, 3))),
    (4.0, World(hour=3, infrared=1.0, works=True, scooters=0.7)),
    (77.0, World(hour=12, fog_per_m=0.03)),
]


def in_another_process(frames: list[tuple[float, World]]) -> list[str]:
    code = OTHER_PROCESS.replace("{frames}", repr(frames))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_every_process_makes_the_same_pixels_and_truth_in_any_order():
    forwards = in_another_process(FRAMES)
    backwards = in_another_process(FRAMES[::-1])
    assert len(set(forwards)) == len(FRAMES)
    assert forwards == backwards[::-1]


def test_a_moment_looks_the_same_whatever_was_rendered_before(renderer: Renderer):
    first = renderer.render(600, BUSY)
    for world in (replace(BUSY, snow=0.7), replace(BUSY, turn=Turn(4)), replace(BUSY, dark=1.0, hour=3.0)):
        renderer.render(700, world)
    again = renderer.render(600, BUSY)
    assert np.array_equal(first.picture, again.picture)
    assert first.objects == again.objects


def test_whoever_paints_over_a_picture_does_not_spoil_the_next(urban: Renderer):
    first = urban.render(600, BUSY).picture
    kept = first.copy()
    first[:] = 0
    assert np.array_equal(urban.render(600, BUSY).picture, kept)


def test_effects_of_no_strength_change_no_pixel(renderer: Renderer):
    plain = renderer.render(600, World(hour=17.4))
    none = World(17.4, 1.0, 0.0, 0.0, 0.0, 0.0, Turn(0.0, 0.0, 0.0), 0.0, works=False)
    with_none = renderer.render(600, none)
    assert np.array_equal(plain.picture, with_none.picture)
    assert plain.homography == with_none.homography


def test_nothing_moves_on_an_empty_road(renderer: Renderer):
    empty = World(hour=11, traffic=0)
    first, later = renderer.render(600, empty), renderer.render(609, empty)
    assert np.array_equal(first.picture, later.picture)
    assert first.objects == ()
    assert not first.instances.any()


def test_things_move_from_frame_to_frame(renderer: Renderer):
    first, later = renderer.render(600, BUSY), renderer.render(600.2, BUSY)
    boxes, after = ({o.track_id: o.xyxy for o in frame.objects if o.xyxy[3] < 360} for frame in (first, later))
    both = boxes.keys() & after.keys()
    assert len(both) >= 3
    assert any(boxes[track] != after[track] for track in both)
    assert not np.array_equal(first.picture, later.picture)


def test_objects_cast_shadows_on_the_ground_beside_them_by_day(renderer: Renderer):
    world = World(hour=10.0, traffic=2.5)
    empty = renderer.render(600, replace(world, traffic=0)).picture.astype(int)
    frame = renderer.render(600, world)
    beside = frame.instances == 0
    change = (frame.picture.astype(int) - empty)[beside].mean(-1)
    assert (change <= -8).sum() > 100
    assert (change < 0).sum() > 4 * (change > 0).sum()


def test_headlights_light_the_road_at_night(urban: Renderer):
    world = World(hour=17.4, traffic=1.4, dark=1.0)
    brighter = 0
    for at_s in (600.0, 620.0, 640.0):
        empty = urban.render(at_s, replace(world, traffic=0)).picture.astype(int)
        frame = urban.render(at_s, world)
        near = [o for o in frame.objects if o.class_name in VEHICLES and o.distance_m < 60]
        beside = frame.instances == 0
        brighter += len(near) > 0 and int(((frame.picture.astype(int) - empty)[beside].mean(-1) > 15).sum())
    assert brighter > 500


def test_an_infrared_picture_is_grey_with_its_objects_and_its_noise(renderer: Renderer):
    frame = renderer.render(600, replace(BUSY, infrared=1.0))
    noisy = add_noise(frame.picture, renderer.camera, frame.light, 600)
    assert frame.objects
    for picture in (frame.picture, noisy):
        assert np.abs(np.diff(picture.astype(int), axis=-1)).max() <= 1


def test_fog_hides_what_is_far_and_spares_what_is_near(urban: Renderer):
    clear = urban.render(600, World(hour=11, traffic=0))
    foggy = urban.render(600, World(hour=11, traffic=0, fog_per_m=0.03))

    def contrast(picture: np.ndarray, rows: slice) -> float:
        return float(cv2.Laplacian(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.CV_32F)[rows].std())

    far, near = slice(20, 90), slice(280, 350)
    assert contrast(foggy.picture, far) < 0.35 * contrast(clear.picture, far)
    assert contrast(foggy.picture, near) > 0.4 * contrast(clear.picture, near)


def test_snow_whitens_the_ground_and_its_flakes_fall(renderer: Renderer):
    bare = renderer.render(600, World(hour=11, traffic=0)).picture[250:].astype(float).mean()
    snowy = World(hour=11, traffic=0, snow=1.0)
    first, later = renderer.render(600, snowy).picture, renderer.render(600.2, snowy).picture
    assert first[250:].astype(float).mean() > bare + 50
    moved = np.abs(first.astype(int) - later).max(-1) > 20
    assert 100 < moved.sum() < 0.1 * moved.size


def test_it_is_dark_at_night_but_for_the_lamps(renderer: Renderer):
    day = renderer.render(600, World(hour=12, traffic=0)).picture.mean()
    night = renderer.render(600, World(hour=1, traffic=0)).picture
    assert night.mean() < 0.35 * day
    assert night.max() > 200


def test_roadworks_stand_in_the_picture_and_keep_the_closed_lane_free(renderer: Renderer):
    plain = renderer.render(600, World(hour=11, traffic=0))
    works = renderer.render(600, World(hour=11, traffic=0, works=True))
    changed = np.abs(plain.picture.astype(int) - works.picture).max(-1) > 25
    assert changed.sum() > 800
    orange = (works.picture[..., 2] > 170) & (works.picture[..., 0] < 100) & (works.picture[..., 1] < 190)
    assert (orange & changed).sum() > 100


@pytest.mark.parametrize(("width", "height"), [(320, 180), (1280, 720), (640, 480)])
def test_other_resolutions_show_the_same_scene(urban: Renderer, width: int, height: int):
    """At 16:9 a picture of another size, scaled, is nearly the usual one; the truth scales with it."""
    other = Renderer(urban.scene, replace(urban.camera, width=width, height=height))
    frame, usual = other.render(600, BUSY), urban.render(600, BUSY)
    assert frame.picture.shape == (height, width, 3)
    assert frame.instances.shape == (height, width)
    if width * 9 == height * 16:
        shrunk = cv2.resize(frame.picture, (160, 90), interpolation=cv2.INTER_AREA).astype(int)
        assert np.abs(shrunk - cv2.resize(usual.picture, (160, 90), interpolation=cv2.INTER_AREA)).mean() < 4
        large = {o.track_id: o for o in usual.objects if o.xyxy[3] - o.xyxy[1] > 30}
        ratio = width / 640
        for truth in frame.objects:
            if truth.track_id in large:
                expected = np.array(large[truth.track_id].xyxy) * ratio
                assert np.abs(np.array(truth.xyxy) - expected).max() <= 1 + ratio
