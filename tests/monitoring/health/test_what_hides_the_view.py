"""Dirt, veils, less light and another view, drawn on real photographs; what passes, parks, leaves or fogs is none."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from cvops_monitoring.health import FaultKind
from tests.monitoring.health.filming import Film, lit, photographs, view

Picture = Callable[[], np.ndarray]
ROAD, MOTORCYCLE, ROOM = 4, 0, 2
LEARNING_S, AFTER_S = 70, 45


@pytest.fixture(scope="module")
def scenes(shared_data: Path) -> list[np.ndarray]:
    return [view(each) for each in photographs(shared_data)]


@pytest.fixture
def noisy(rng: np.random.Generator) -> Callable[[np.ndarray], Picture]:
    return lambda image: lambda: lit(image, 1.0, 3.0, rng)


def laid(image: np.ndarray, colour: float, share: np.ndarray) -> np.ndarray:
    """`colour` over an image where `share`, (H, W) 0..1, is 1."""
    return np.clip(image * (1 - share[..., None]) + colour * share[..., None], 0, 255)


def spots(places: list[tuple[int, int]], radius: int) -> np.ndarray:
    mask = np.zeros((480, 640), np.float32)
    for place in places:
        cv2.circle(mask, place, radius, 0.93, -1)
    return cv2.GaussianBlur(mask, (0, 0), 10)


def with_a_van(image: np.ndarray) -> np.ndarray:
    """A bright van with a sharp outline, windows and wheels."""
    image = image.copy()
    cv2.rectangle(image, (90, 220), (330, 400), (205, 205, 200), -1)
    cv2.rectangle(image, (250, 240), (320, 300), (35, 40, 45), -1)
    for x in (140, 280):
        cv2.circle(image, (x, 400), 26, (25, 25, 25), -1)
    return image


@pytest.mark.parametrize("scene", [MOTORCYCLE, ROOM])
def test_mud_is_named_and_placed(scenes: list[np.ndarray], noisy: Callable[[np.ndarray], Picture], scene: int):
    muddy = laid(scenes[scene], 50, spots([(120, 330), (200, 400), (90, 420), (230, 300)], 45))
    film = Film().show(LEARNING_S, noisy(scenes[scene]))
    assert film.opened == []
    film.show(AFTER_S, noisy(muddy))
    assert film.opened == [FaultKind.DIRT]
    (fault,) = film.camera.faults
    assert 5 <= fault.effect <= 40
    assert "left)" in fault.text


@pytest.mark.parametrize("scene", [MOTORCYCLE, ROAD])
def test_what_parks_or_leaves_is_no_dirt(scenes: list[np.ndarray], noisy: Callable[[np.ndarray], Picture], scene: int):
    free, parked = scenes[scene], with_a_van(scenes[scene])
    for before, after in ((free, parked), (parked, free)):
        film = Film().show(LEARNING_S, noisy(before)).show(AFTER_S, noisy(after))
        assert FaultKind.DIRT not in film.opened


@pytest.mark.parametrize("scene", [MOTORCYCLE, ROAD])
@pytest.mark.parametrize("density", [0.3, 0.8])
def test_haze_is_neither_dirt_nor_a_cover(
    scenes: list[np.ndarray], noisy: Callable[[np.ndarray], Picture], scene: int, density: float
):
    far = np.repeat(np.linspace(1, 0.05, 480, dtype=np.float32)[:, None], 640, axis=1)
    film = Film().show(LEARNING_S, noisy(scenes[scene])).show(AFTER_S, noisy(laid(scenes[scene], 235, density * far)))
    assert not {FaultKind.DIRT, FaultKind.COVERED, FaultKind.COLOUR_CAST} & set(film.opened)


@pytest.mark.parametrize("scene", [MOTORCYCLE, ROAD])
def test_a_veil_that_light_shines_through_is_a_cover(
    scenes: list[np.ndarray], noisy: Callable[[np.ndarray], Picture], scene: int
):
    through = 0.6 * laid(cv2.GaussianBlur(scenes[scene], (0, 0), 25), 0, np.zeros((480, 640)))
    veiled = 0.45 * 0.75 * scenes[scene] + 0.55 * through
    film = Film().show(LEARNING_S, noisy(scenes[scene])).show(AFTER_S, noisy(veiled))
    assert film.opened == [FaultKind.COVERED]
    assert "in front of the camera" in film.camera.faults[0].text


@pytest.mark.parametrize("scene", [MOTORCYCLE, ROAD])
def test_light_that_went_everywhere_is_darkness_and_light_that_went_somewhere_is_not(
    scenes: list[np.ndarray], noisy: Callable[[np.ndarray], Picture], scene: int
):
    film = Film().show(LEARNING_S, noisy(scenes[scene])).show(AFTER_S, noisy(0.58 * scenes[scene]))
    assert film.opened == [FaultKind.DARK]
    assert "light within seconds" in film.camera.faults[0].text
    film.show(AFTER_S, noisy(scenes[scene]))
    assert film.open == set()
    shade = np.where(np.arange(640) < 448, 0.58, 1.0)[None, :, None]
    cloudy = Film().show(LEARNING_S, noisy(scenes[scene])).show(AFTER_S, noisy(shade * scenes[scene]))
    assert FaultKind.DARK not in cloudy.opened


def test_a_camera_is_blind_as_long_as_it_shows_nothing(
    scenes: list[np.ndarray], noisy: Callable[[np.ndarray], Picture]
):
    film = Film().show(LEARNING_S, noisy(scenes[ROAD]))
    assert not film.camera.blind
    film.show(2, noisy(0 * scenes[ROAD]))
    assert film.camera.blind
    assert film.open == set()
    film.show(2, noisy(scenes[ROAD]))
    assert not film.camera.blind


def test_a_slow_dusk_is_no_fault(scenes: list[np.ndarray], rng: np.random.Generator):
    film = Film().show(LEARNING_S, lambda: lit(scenes[ROAD], 1.0, 3.0, rng))
    for gain in np.geomspace(1, 0.4, 40):
        film.show(10, lambda gain=gain: lit(scenes[ROAD], gain, 3.0, rng))
    assert film.opened == []


@pytest.mark.parametrize(("was", "now"), [(MOTORCYCLE, 3), (ROAD, MOTORCYCLE)])
def test_another_view_is_a_move_and_nothing_else(
    scenes: list[np.ndarray], noisy: Callable[[np.ndarray], Picture], was: int, now: int
):
    level = scenes[now] * (scenes[was].mean() / scenes[now].mean())
    film = Film().show(LEARNING_S, noisy(scenes[was])).show(AFTER_S, noisy(level))
    assert film.opened == [FaultKind.MOVED]
    assert "nothing of the reference" in film.camera.faults[0].text


@pytest.mark.parametrize("degrees", [1.0, -1.0])
def test_a_turn_by_one_degree_is_told(shared_data: Path, noisy: Callable[[np.ndarray], Picture], degrees: float):
    scene = photographs(shared_data)[MOTORCYCLE]
    film = Film().show(LEARNING_S, noisy(view(scene))).show(20, noisy(view(scene, left_deg=degrees)))
    assert film.opened == [FaultKind.MOVED]
    assert (
        f"turned {abs(degrees):.1f} degrees to the {'left' if degrees > 0 else 'right'}" in film.camera.faults[0].text
    )
