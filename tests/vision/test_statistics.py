"""Statistics are finite, mean what they say, and react to what they are for."""

from dataclasses import astuple
from io import BytesIO
from itertools import pairwise

import cv2
import numpy as np
import pytest
from PIL import Image

from cvops_vision.statistics import ImageStats, grey_thumbnail, image_stats, mid_band_share


def scene(seed: int = 0, width: int = 640, height: int = 480) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (height // 8, width // 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def stats_of(image: np.ndarray) -> ImageStats:
    return image_stats(image, n_bytes=1, width=image.shape[1], height=image.shape[0])


def edges(stats: ImageStats) -> np.ndarray:
    return np.frombuffer(stats.edge_energy, "<f2").reshape(6, 8)


@pytest.mark.parametrize("level", [0, 1, 128, 255])
@pytest.mark.parametrize("size", [(240, 320), (480, 640), (1, 1), (7, 5000)])
def test_a_constant_picture_has_finite_statistics(level: int, size: tuple[int, int]):
    stats = stats_of(np.full((*size, 3), level, np.uint8))
    assert all(np.isfinite(value) for value in astuple(stats) if isinstance(value, float))
    assert stats.brightness_mean == stats.brightness_p1 == stats.brightness_p99 == level
    assert stats.entropy == stats.sharpness == stats.brightness_std == stats.contrast == 0
    assert not edges(stats).any()


def test_brightness_agrees_with_numpy():
    image = scene(width=320, height=240)
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    stats = stats_of(image)
    assert stats.brightness_mean == pytest.approx(luma.mean(), abs=1e-6)
    assert stats.brightness_std == pytest.approx(luma.std(), abs=1e-6)
    assert stats.brightness_p1 == pytest.approx(np.quantile(luma, 0.01), abs=1)
    assert stats.brightness_p99 == pytest.approx(np.quantile(luma, 0.99), abs=1)
    share = np.bincount(luma.ravel()) / luma.size
    assert stats.entropy == pytest.approx(-sum(p * np.log2(p) for p in share if p), abs=1e-9)


def test_the_mid_band_share_agrees_with_a_plain_fourier_transform():
    luma = cv2.cvtColor(scene(width=320, height=240), cv2.COLOR_RGB2GRAY).astype(np.float64)
    windowed = (luma - luma.mean()) * np.outer(np.hanning(240), np.hanning(320))
    power = np.abs(np.fft.fft2(windowed)) ** 2
    power[0, 0] = 0
    radius = np.hypot(np.fft.fftfreq(240)[:, None], np.fft.fftfreq(320)[None, :])
    expected = power[(radius >= 0.12) & (radius < 0.30)].sum() / power.sum()
    assert mid_band_share(luma.astype(np.float32)) == pytest.approx(expected, rel=1e-4)


def test_sharpness_falls_with_every_step_of_defocus():
    rng = np.random.default_rng(4)
    octaves = [rng.normal(0, 6 * step, (240 // step, 320 // step)) for step in (1, 2, 4, 8, 16)]  # as in nature
    luma = sum(cv2.resize(octave, (320, 240), interpolation=cv2.INTER_CUBIC) for octave in octaves)
    image = np.repeat(np.clip(128 + luma / 2, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)
    shares = [stats_of(cv2.GaussianBlur(image, (0, 0), sigma)).sharpness for sigma in (0.3, 1.0, 1.5, 2.0)]
    assert all(later < 0.7 * earlier for earlier, later in pairwise(shares)), shares


def test_edge_energy_tells_where_the_lens_is_covered():
    image = scene()
    image[:, :320] = 40
    cells = edges(stats_of(image))
    assert (cells[:, :3] == 0).all()
    assert (cells[:, 5:] > 1).all()


def test_a_ramp_has_its_own_slope_as_edge_energy():
    ramp = np.repeat(np.arange(160, dtype=np.uint8).repeat(2)[None, :], 240, axis=0)  # half a level per px
    cells = edges(stats_of(np.stack([ramp] * 3, axis=2)))
    assert cells[2, 4] == pytest.approx(0.5, abs=0.02)


def test_a_colour_cast_shows_in_lab_and_a_grey_picture_has_none():
    grey = np.full((240, 320, 3), 120, np.uint8)
    assert abs(stats_of(grey).cast_a) + abs(stats_of(grey).cast_b) < 0.1
    assert stats_of(grey).saturation == 0
    yellow = grey.copy()
    yellow[:, :, 2] = 60
    assert stats_of(yellow).cast_b > 20
    assert stats_of(yellow).saturation > 100


@pytest.mark.parametrize("level", [1, 4, 12])
def test_the_colour_cast_agrees_with_the_definition_of_cielab_in_light_and_in_the_dark(level: int):
    image = scene(5, width=320, height=240) // level
    half = cv2.resize(image, (160, 120), interpolation=cv2.INTER_AREA)
    srgb = cv2.resize(half, (80, 60), interpolation=cv2.INTER_AREA) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
    ) / np.array([[0.950456], [1.0], [1.088754]])  # sRGB primaries, relative to the white D65
    xyz = linear @ to_xyz.T
    f_x, f_y, f_z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116).mean((0, 1))
    stats = stats_of(image)
    assert stats.cast_a == pytest.approx(500 * (f_x - f_y), abs=0.002)
    assert stats.cast_b == pytest.approx(200 * (f_y - f_z), abs=0.002)


def test_the_hash_of_a_near_duplicate_differs_in_few_bits_that_of_another_scene_in_many():
    image = scene(1)
    noisy = np.clip(image.astype(int) + np.random.default_rng(2).integers(-6, 7, image.shape), 0, 255).astype(np.uint8)
    own = stats_of(image).dhash
    assert (own ^ stats_of(noisy).dhash).bit_count() <= 6
    assert (own ^ stats_of(scene(3)).dhash).bit_count() > 16


def test_the_bits_of_the_hash_are_ordered_from_the_highest():
    image = np.zeros((240, 320, 3), np.uint8)
    image[:28, 64:] = 200  # in the first row it grows from the first to the second cell, and on to the third
    assert stats_of(image).dhash == 0b11 << 62


@pytest.mark.parametrize(("width", "height", "tall"), [(1920, 1080, 180), (100, 100, 320), (640, 480, 240)])
def test_a_thumbnail_is_a_grey_jpeg_320_px_wide(width: int, height: int, tall: int):
    thumbnail = Image.open(BytesIO(grey_thumbnail(scene(width=width, height=height))))
    assert (thumbnail.format, thumbnail.mode, thumbnail.size) == ("JPEG", "L", (320, tall))
