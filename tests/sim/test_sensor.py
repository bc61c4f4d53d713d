from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from cvops_sim.camera import make_camera
from cvops_sim.light import light_at
from cvops_sim.sensor import add_noise, stamp

CAMERA = replace(make_camera(9), noise=2.0)
GREY = np.full((360, 640, 3), 120, np.uint8)
DAY, NIGHT, INFRARED = light_at(12, 0.0), light_at(0, 0.0), light_at(0, 0.0, infrared=1.0)


def middle(picture: np.ndarray) -> np.ndarray:
    return picture[150:210, 270:370].astype(float)


def test_noise_has_the_cameras_strength_by_day_and_more_in_the_dark():
    assert middle(add_noise(GREY, CAMERA, DAY, 5.0)).std() == pytest.approx(2.0, rel=0.12)
    assert middle(add_noise(GREY, CAMERA, NIGHT, 5.0)).std() == pytest.approx(4.4, rel=0.12)
    assert middle(add_noise(GREY, CAMERA, INFRARED, 5.0)).std() == pytest.approx(5.2, rel=0.12)


def test_noise_does_not_change_the_brightness():
    assert middle(add_noise(GREY, CAMERA, NIGHT, 5.0)).mean() == pytest.approx(120, abs=1)


def test_the_same_moment_has_the_same_noise_and_another_has_other():
    first = add_noise(GREY, CAMERA, DAY, 5.0)
    assert np.array_equal(first, add_noise(GREY, CAMERA, DAY, 5.0))
    assert not np.array_equal(first, add_noise(GREY, CAMERA, DAY, 5.2))
    assert not np.array_equal(first, add_noise(GREY, replace(CAMERA, seed=10), DAY, 5.0))


def test_a_camera_without_noise_only_darkens_the_corners():
    clean = add_noise(GREY, replace(CAMERA, noise=0.0), DAY, 5.0)
    assert (middle(clean) >= 119).all()
    assert 95 < clean[0, 0, 0] < 110


def test_infrared_noise_is_grey():
    noisy = add_noise(GREY, CAMERA, INFRARED, 5.0)
    assert np.array_equal(noisy[..., 0], noisy[..., 2])


def test_the_picture_that_was_given_stays_as_it_was():
    kept = GREY.copy()
    add_noise(GREY, CAMERA, DAY, 1.0)
    stamp(GREY, datetime(2026, 3, 6, 8, 15, tzinfo=UTC), "north-1")
    assert np.array_equal(GREY, kept)


@pytest.mark.parametrize(("width", "height"), [(640, 360), (320, 180), (1280, 720), (240, 180)])
def test_the_time_stamp_is_written_into_the_upper_corners_only(width: int, height: int):
    picture = np.full((height, width, 3), 120, np.uint8)
    marked = stamp(picture, datetime(2026, 3, 6, 8, 15, tzinfo=UTC), "north-1")
    changed = (marked != picture).any(-1)
    assert changed[: height // 10].any()
    assert not changed[height // 8 :].any()
    assert marked.max() > 200
    assert marked.min() < 60


def test_another_second_is_another_stamp():
    one, two = (stamp(GREY, datetime(2026, 3, 6, 8, 15, s, tzinfo=UTC), "north-1") for s in (1, 2))
    assert (one != two).any(-1)[:, 320:].any()
    assert not (one != two).any(-1)[:, :320].any()
