import numpy as np
import pytest
import torch

from cvops_common.errors import BadArgument
from cvops_training import loop
from cvops_training.examples import Example
from cvops_training.params import LoopParams, read
from cvops_training.recipe import recipe_of
from cvops_training.windows import Windows
from tests.training.conftest import drawn

WIDTH, HEIGHT = 320, 192


def example(boxes: list[list[float]], ids: list[int], ignore: list[bool] | None = None) -> Example:
    """A picture whose red and green say where a pixel was."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    picture = np.stack([columns % 256, rows, columns // 256], 2).astype(np.uint8)
    ignored = np.array(ignore or [False] * len(ids), np.bool_)
    return Example(picture, np.array(boxes, np.float32).reshape(-1, 4), np.array(ids, np.int64), ignored, "one")


def corner_of(window: Example) -> tuple[int, int]:
    """Left and top of a window in its picture."""
    first = window.picture[0, 0].astype(int)
    return int(first[0] + 256 * first[2]), int(first[1])


def test_a_whole_picture_stays_what_it_is():
    one = example([[10, 10, 30, 30]], [0])

    assert Windows(1.0, [one], 2).of(one, np.random.default_rng(0)) is one


def test_boxes_stay_on_their_objects_and_those_that_are_cut_are_ignored():
    one = example([[100, 60, 120, 90], [60, 40, 150, 130], [300, 170, 318, 190]], [0, 1, 1], [False, False, True])
    windows, random = Windows(0.7, [one], 2), np.random.default_rng(1)
    for _ in range(200):
        window = windows.of(one, random)
        left, top = corner_of(window)

        assert window.picture.shape == (128, 224, 3)
        assert len(window.boxes) == len(window.class_ids) == len(window.ignore)
        for box, class_id, ignored in zip(window.boxes, window.class_ids, window.ignore, strict=True):
            was = next(
                number
                for number, full in enumerate(one.boxes)
                if one.class_ids[number] == class_id
                and np.allclose(box, np.clip(full - [left, top] * 2, 0, [224, 128] * 2))
            )
            full = one.boxes[was]
            kept = np.prod(box[2:] - box[:2]) / np.prod(full[2:] - full[:2])
            assert ignored == (bool(one.ignore[was]) or kept < 0.7)


def test_a_window_lies_around_an_object_of_rare_classes_as_often_as_of_others():
    frequent = [[20 + 12 * number, 20, 28 + 12 * number, 30] for number in range(9)]
    one = example([*frequent, [290, 170, 300, 180]], [0] * 9 + [1])
    windows, random = Windows(0.3, [one], 2), np.random.default_rng(2)

    rare = sum(corner_of(windows.of(one, random))[0] > 150 for _ in range(1000))

    assert 440 < rare < 560


def test_a_picture_without_objects_is_looked_at_anywhere():
    one = example([[100, 100, 140, 140]], [0], [True])
    windows, random = Windows(0.5, [], 1), np.random.default_rng(3)

    corners = np.array([corner_of(windows.of(one, random)) for _ in range(300)])

    assert corners.min(0).tolist() == [0, 0]
    assert corners.max(0).tolist() == [160, 96]


def test_a_picture_smaller_than_a_window_stays_whole():
    small = Example(
        np.zeros((24, 40, 3), np.uint8), np.array([[2, 2, 9, 9]], np.float32), np.array([0]), np.array([False])
    )

    assert Windows(0.9, [small], 1).of(small, np.random.default_rng(4)).picture.shape == (24, 32, 3)


@pytest.mark.parametrize("name", ["detector-tiny", "yolox"])
def test_every_recipe_learns_from_windows(name):
    recipe = recipe_of(name)
    params = LoopParams(steps=2, batch=4, window=0.6, seed=1)

    first, second = (
        loop.train(recipe, params, new=drawn(recipe, 6), replay=drawn(recipe, 4, seed=9), classes=2, base=None)
        for _ in range(2)
    )

    assert np.isfinite(first.losses).all()
    assert first.losses == second.losses
    state = second.model.state_dict()
    assert all(torch.equal(value, state[at]) for at, value in first.model.state_dict().items())


@pytest.mark.parametrize("wrong", ["0", "1.5", "-0.2"])
def test_a_window_of_no_size_or_beyond_the_picture_is_refused(wrong):
    with pytest.raises(BadArgument, match="window"):
        read(LoopParams(), {"window": wrong})
