import cv2
import numpy as np
import pytest

from cvops_sim.camera import NEAREST_DEPTH_M, STRAIGHT, Turn, cut_near, make_camera
from cvops_sim.renderer import Renderer
from cvops_sim.world import World

POINTS = np.array([(-4.0, 0, 22), (3.0, 0, 30), (0.0, 5.0, 40), (-9.0, 2.0, 60), (6.0, 3.1, 18)])
TURNS = [Turn(yaw_deg=4), Turn(pitch_deg=-2), Turn(roll_deg=5), Turn(3.7, 1.2, -4.1), Turn(12, 38, 25)]


def test_the_optical_axis_pierces_the_middle_of_the_picture():
    view = make_camera(3).view()
    pixel, depth = view.project(np.array([0, view.above_ground_m, 0]) + 20 * view.rotation[2])
    assert np.allclose(pixel, (320, 180))
    assert depth == pytest.approx(20)


def test_a_pixels_ray_leads_back_to_its_centre():
    view = make_camera(4).view(Turn(5, 3, 8))
    x, y, z = view.rays()
    point = np.array([x[40, 500], y[40, 500], z[40, 500]]) * 30 + (0, view.above_ground_m, 0)
    assert np.allclose(view.project(point)[0], (500.5, 40.5), atol=1e-3)


def test_the_ground_matrix_projects_as_project_does():
    view = make_camera(5).view(Turn(2, 1, 4))
    x, y, w = view.ground_matrix() @ (3.0, 25.0, 1.0)
    assert np.allclose((x / w, y / w), view.project(np.array([3.0, 0.0, 25.0]))[0])


@pytest.mark.parametrize("turn", TURNS, ids=str)
def test_the_homography_takes_known_points_to_where_the_turned_camera_sees_them(turn: Turn):
    camera = make_camera(6)
    nominal, turned = camera.view(), camera.view(turn)
    before, after = nominal.project(POINTS)[0], turned.project(POINTS)[0]
    ahead = turned.project(POINTS)[1] > 1
    taken = cv2.perspectiveTransform(before[None], turned.homography_from(nominal))[0]
    assert ahead.any()
    assert np.abs(taken - after)[ahead].max() < 1e-6


@pytest.mark.parametrize("turn", TURNS[:4], ids=str)
def test_the_homography_fits_the_pixels_to_half_a_pixel(renderer: Renderer, turn: Turn):
    """Corners of markings, cracks and shadows, taken back by the homography, lie where they are in the nominal one."""
    still = World(hour=11, traffic=0)
    nominal = renderer.render(0, still).picture
    frame = renderer.render(0, World(hour=11, traffic=0, turn=turn))
    to_centres = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
    matrix = np.linalg.inv(to_centres) @ np.array(frame.homography) @ to_centres
    back = cv2.warpPerspective(frame.picture, matrix, (640, 360), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    before, after = (cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) for picture in (nominal, back))
    ground = cv2.erode(renderer._backdrops.at(still).open_ground, np.ones((15, 15), np.uint8))
    ground[:120] = ground[-60:] = 0
    ground[:, :80] = ground[:, -80:] = 0
    corners = cv2.goodFeaturesToTrack(before, 60, 0.02, 8, mask=ground)
    found, known, _ = cv2.calcOpticalFlowPyrLK(before, after, corners, corners.copy(), winSize=(21, 21), maxLevel=0)
    shifts = (found - corners)[known[:, 0] > 0, 0]
    assert len(shifts) > 15
    assert np.abs(np.median(shifts, axis=0)).max() < 0.12
    if renderer.scene.road.zebra_at_m:  # sharp corners, which can be found to a fraction of a pixel
        strong = cv2.goodFeaturesToTrack(before, 60, 0.2, 8, mask=ground)
        found, known, _ = cv2.calcOpticalFlowPyrLK(before, after, strong, strong.copy(), winSize=(21, 21), maxLevel=0)
        assert np.hypot(*(found - strong)[known[:, 0] > 0, 0].T).max() < 0.5


def test_an_untouched_camera_has_the_identity_as_homography(urban: Renderer):
    assert np.allclose(urban.render(0, World()).homography, np.eye(3), atol=1e-12)
    assert STRAIGHT + Turn(1, 2, 3) == Turn(1, 2, 3)


def test_a_polygon_that_reaches_behind_the_lens_is_cut_off_before_it():
    square = np.array([(-1, 0, -2), (1, 0, -2), (1, 0, 4), (-1, 0, 4.0)])
    cut = cut_near(square)
    assert len(cut) == 4
    assert cut[:, 2].min() == pytest.approx(NEAREST_DEPTH_M)
    assert cut[:, 2].max() == 4
    assert len(cut_near(square - np.array([0, 0, 10]))) == 0
    assert len(cut_near(square + np.array([0, 0, 10]))) == 4
