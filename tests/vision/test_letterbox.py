"""From images to network inputs and boxes back."""

import cv2
import numpy as np
import pytest

from cvops_common.errors import BadArgument
from cvops_vision.letterbox import Interpolation, Resize, ResizeRule, fill, place

RULES = list(ResizeRule)


def image(width: int, height: int, seed: int = 0):
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def dirty_slot(height: int, width: int):
    return np.full((height, width, 3), 201, np.uint8)


@pytest.mark.parametrize("size", [(320, 240), (640, 427), (333, 500), (50, 40), (1, 7)])
def test_the_top_left_letterbox_is_that_of_yolox(size: tuple[int, int]):
    width, height = size
    slot, picture = dirty_slot(416, 416), image(width, height)
    placement = fill(picture, slot, Resize(ResizeRule.LETTERBOX_TOP_LEFT, Interpolation.LINEAR))
    ratio = min(416 / height, 416 / width)
    expected = np.full((416, 416, 3), 114, np.uint8)
    inner = cv2.resize(picture, (int(width * ratio), int(height * ratio)), interpolation=cv2.INTER_LINEAR)
    expected[: inner.shape[0], : inner.shape[1]] = inner
    assert np.array_equal(slot, expected)
    assert (placement.scale_x, placement.scale_y, placement.offset_x, placement.offset_y) == (ratio, ratio, 0, 0)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("size", [(640, 360), (360, 641), (64, 64)])
def test_a_box_drawn_on_the_original_is_found_where_the_placement_says(rule: ResizeRule, size: tuple[int, int]):
    width, height = size
    picture = np.zeros((height, width, 3), np.uint8)
    box = np.array([[width * 0.4, height * 0.45, width * 0.6, height * 0.6]], np.float32).round()
    left, top, right, bottom = box[0].astype(int)
    picture[top:bottom, left:right] = 255
    slot = dirty_slot(224, 256)
    placement = fill(picture, slot, Resize(rule, pad_value=0))
    rows, columns = np.flatnonzero((slot > 127).any((1, 2))), np.flatnonzero((slot > 127).any((0, 2)))
    found = np.array([[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]], np.float32)
    assert np.abs(found - placement.to_network(box)).max() <= 1.0
    assert np.abs(placement.to_original(placement.to_network(box)) - box).max() < 1e-3


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("size", [(640, 360), (90, 400), (256, 224), (3, 2)])
def test_every_byte_of_the_slot_is_written(rule: ResizeRule, size: tuple[int, int]):
    first, second = np.zeros((224, 256, 3), np.uint8), np.full((224, 256, 3), 255, np.uint8)
    for slot in (first, second):
        fill(image(*size), slot, Resize(rule))
    assert np.array_equal(first, second)


def test_boxes_are_clipped_to_the_original():
    placement = place(Resize(ResizeRule.LETTERBOX), (200, 100), (100, 100))
    boxes = placement.to_original(np.array([[-50, 0, 150, 100], [10, 30, 20, 40]], np.float32))
    assert boxes.tolist() == [[0, 0, 200, 100], [20, 10, 40, 30]]
    assert boxes.dtype == np.float32


def test_boxes_of_an_image_decoded_at_half_size_are_in_px_of_the_whole():
    resize = Resize(ResizeRule.LETTERBOX)
    whole = image(641, 481)
    half = cv2.resize(whole, (321, 241), interpolation=cv2.INTER_AREA)
    of_whole, of_half = dirty_slot(160, 160), dirty_slot(160, 160)
    assert fill(whole, of_whole, resize) == fill(half, of_half, resize, original_wh=(641, 481))
    assert np.abs(of_whole.astype(int) - of_half).mean() < 1.5


def test_fine_stripes_turn_grey_only_with_antialiasing():
    stripes = np.zeros((400, 400, 3), np.uint8)
    stripes[:, ::8] = 255
    results = {}
    for interpolation in Interpolation:
        results[interpolation] = dirty_slot(50, 50)
        fill(stripes, results[interpolation], Resize(ResizeRule.STRETCH, interpolation))
    assert np.abs(results[Interpolation.ANTIALIASED].astype(int) - 32).max() <= 1
    assert results[Interpolation.LINEAR].max() == 0


def test_the_centre_crop_is_resize_then_cut():
    picture, slot = image(500, 375), dirty_slot(224, 224)
    placement = fill(picture, slot, Resize(ResizeRule.CENTRE_CROP, Interpolation.LINEAR, short_side_px=256))
    resized = cv2.resize(picture, (341, 256), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(slot, resized[16:240, 58:282])
    assert (placement.offset_x, placement.offset_y) == (-58, -16)


def test_what_cannot_be_resized_is_refused_with_the_reason():
    with pytest.raises(BadArgument, match="use 224 px or more"):
        place(Resize(ResizeRule.CENTRE_CROP, short_side_px=200), (640, 480), (224, 224))
    with pytest.raises(BadArgument, match=r"image: expected uint8 \(height, width, 3\), found uint8 \(8, 8\)"):
        fill(np.zeros((8, 8), np.uint8), dirty_slot(4, 4), Resize(ResizeRule.STRETCH))
    with pytest.raises(BadArgument, match="positive sizes"):
        place(Resize(ResizeRule.STRETCH), (0, 480), (224, 224))
