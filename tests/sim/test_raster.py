import numpy as np
import pytest

from cvops_sim.raster import Box, Canvas, Sprite, bounds, coverage_of, flat, lay_over

WHITE = np.full(3, 255, np.float32)


def drawn(corners: list[tuple[float, float]], enlarge: int = 4) -> Sprite:
    canvas = Canvas(Box(0, 0, 40, 30), enlarge)
    canvas.polygon(np.array(corners, float), WHITE)
    return canvas.sprite()


@pytest.mark.parametrize("enlarge", [2, 4])
def test_a_rectangle_on_whole_pixels_covers_exactly_those(enlarge: int):
    sprite = drawn([(10, 5), (20, 5), (20, 12), (10, 12)], enlarge)
    assert bounds(sprite.silhouette) == Box(10, 5, 20, 12)
    assert np.count_nonzero(sprite.silhouette) == 70
    assert (sprite.coverage[5:12, 10:20] == 255).all()


def test_a_pixel_belongs_to_the_silhouette_when_more_than_half_of_it_is_covered():
    assert bounds(drawn([(10.25, 5), (20, 5), (20, 12), (10.25, 12)]).silhouette) == Box(10, 5, 20, 12)
    assert bounds(drawn([(10.75, 5), (20, 5), (20, 12), (10.75, 12)]).silhouette) == Box(11, 5, 20, 12)


def test_no_pixel_has_no_bounds():
    assert bounds(np.zeros((4, 4), bool)) is None


def test_a_box_is_clipped_to_the_picture():
    box = Box.around(np.array([(-50.0, 10.2), (20.5, 900.0)]), 640, 360)
    assert box == Box(0, 9, 22, 360)
    assert Box.around(np.array([(700.0, 10), (720.0, 20)]), 640, 360).empty


def test_what_is_laid_over_replaces_what_it_covers_and_mixes_at_half():
    below = np.full((1, 3, 3), 100, np.uint8)
    coverage = np.array([[0, 128, 255]], np.uint8)
    over = lay_over(below, flat(np.full(3, 200, np.float32), coverage), coverage)
    assert over[0, :, 0].tolist() == [100, 150, 200]


def test_a_polygon_that_reaches_out_of_its_box_is_clipped():
    plane = coverage_of(np.array([(-100, -100), (200, -100), (200, 200), (-100, 200)], float), Box(3, 3, 9, 8))
    assert plane.shape == (5, 6)
    assert (plane == 255).all()
