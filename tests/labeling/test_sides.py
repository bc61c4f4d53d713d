"""Sides: frames of one camera that are close in time never stand on different ones."""

import numpy as np
import pytest

from cvops_labeling.sides import Stretch, Taken, sides, stretches

GAP_S = 10.0


def clashes(cameras, at_s, split) -> int:
    """Pairs of one camera within the gap that stand on different sides."""
    count = 0
    for camera in set(cameras):
        mine = [i for i, each in enumerate(cameras) if each == camera and split[i]]
        for i in mine:
            count += sum(abs(at_s[i] - at_s[k]) <= GAP_S and split[i] != split[k] for k in mine)
    return count


@pytest.mark.parametrize("span_s", [0.0, 5.0, 13.9, 14.1, 30.0, 61.0, 200.0, 3600.0])
@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("seed", range(4))
def test_no_two_close_frames_of_a_camera_are_apart(span_s, count, seed):
    rng = np.random.default_rng(seed)
    cameras = [f"c{i % count}" for i in range(400)]
    at_s = 1.7e9 + rng.uniform(0, span_s, 400) if span_s else np.full(400, 1.7e9)
    spans = {c: (at_s[[x == c for x in cameras]].min(), at_s[[x == c for x in cameras]].max()) for c in set(cameras)}
    split = sides(cameras, at_s, stretches(spans, 0.3, GAP_S, rng), (), GAP_S)
    assert clashes(cameras, at_s, split) == 0
    held = sum(each in ("val", "test") for each in split)
    used = sum(each != "" for each in split)
    if span_s >= 30 or count >= 5:
        assert 0.12 <= held / used <= 0.5
    assert "train" in split


def test_a_long_time_has_all_three_sides_and_many_turns():
    rng = np.random.default_rng(0)
    cut = stretches({"c": (0.0, 3600.0)}, 0.3, GAP_S, rng)
    assert {each.split for each in cut} == {"train", "val", "test"}
    assert sum(each.split == "train" for each in cut) == 8
    assert all(each.end_s > each.begin_s for each in cut)
    assert cut[0].begin_s >= 0 and cut[-1].end_s <= 3600


def test_a_settled_frame_keeps_its_neighbours_on_its_side_or_none():
    at_s = np.arange(0.0, 60.0)
    cameras = ["c"] * 30 + ["d"] * 30
    taken = [Taken("c", 5.0, "test")]
    split = sides(cameras, at_s, [Stretch("c", 0, 100, "train"), Stretch("d", 0, 100, "train")], taken, GAP_S)
    assert split[:16] == [""] * 16
    assert set(split[16:]) == {"train"}


def test_the_same_seed_cuts_the_same():
    spans = {f"c{i}": (0.0, 100.0) for i in range(5)}
    first, second, other = (stretches(spans, 0.3, GAP_S, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == second != other
