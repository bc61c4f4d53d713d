"""Selection: budgets, reasons, sides, near-duplicates; the same whenever it is made."""

import time

import numpy as np
import pytest

from cvops_labeling.pool import Candidate, Pool
from cvops_labeling.selection import Budget, choose
from cvops_labeling.sides import Taken
from cvops_labeling.sketch import read_sketch, sketch
from cvops_labeling.uncertainty import of_boxes, of_classes

BUDGET = Budget(frames=40, boxes=1000, random_share=0.3, duplicate_bits=4)


def pool(count: int = 400, cameras: int = 2, seed: int = 0, every_s: float = 0.5) -> list[Candidate]:
    rng = np.random.default_rng(seed)
    return [
        Candidate(
            frame_id=f"{i:032x}",
            camera_id=f"c{i % cameras}",
            at_s=1.7e9 + i // cameras * every_s,
            boxes=int(rng.integers(0, 6)),
            uncertainty=float(rng.random()),
            dhash=int(rng.integers(2**64, dtype=np.uint64)),
            outlier=float(rng.normal()),
            sketch=rng.normal(size=32).astype(np.float32),
            model="m",
        )
        for i in range(count)
    ]


def test_the_budget_is_used_and_shared_out_by_reason():
    candidates = pool()
    choice = choose(candidates, BUDGET, seed=1, exemplars=frozenset({candidates[200].frame_id}))
    assert len(choice.picks) == 40
    assert len({pick.frame_id for pick in choice.picks}) == 40
    reasons = {
        reason: sum(pick.reason == reason for pick in choice.picks)
        for reason in ("random", "uncertain", "novel", "diverse", "exemplar")
    }
    assert reasons["random"] == 12
    assert reasons["uncertain"] == 14
    assert reasons["novel"] == 4
    assert reasons["exemplar"] == 3
    assert sum(reasons.values()) == 40
    for pick in choice.picks:
        assert (pick.reason == "random") == (pick.split in ("val", "test"))
    assert {pick.split for pick in choice.picks} == {"train", "val", "test"}


def test_the_choice_depends_on_the_seed_alone():
    candidates = pool()
    first = choose(candidates, BUDGET, seed=1)
    assert choose(candidates[::-1], BUDGET, seed=1) == first
    assert choose(candidates, BUDGET, seed=2) != first


def test_random_picks_are_even_over_cameras_and_time():
    candidates = pool(3000, cameras=3, every_s=1.0)
    at_s = {each.frame_id: (each.camera_id, each.at_s - 1.7e9) for each in candidates}
    choice = choose(candidates, Budget(300, 10_000, 0.3, 4), seed=4)
    held = [at_s[pick.frame_id] for pick in choice.picks if pick.reason == "random"]
    assert len(held) == 90
    for camera in ("c0", "c1", "c2"):
        mine = [at for name, at in held if name == camera]
        assert len(mine) == 30
        assert np.histogram(mine, bins=4, range=(0, 1000))[0].min() >= 3


def test_uncertain_frames_are_the_most_uncertain_of_their_side():
    candidates = pool()
    unsure = {each.frame_id: each.uncertainty for each in candidates}
    choice = choose(candidates, BUDGET, seed=1)
    picked = [unsure[pick.frame_id] for pick in choice.picks if pick.reason == "uncertain"]
    assert min(picked) > np.quantile(list(unsure.values()), 0.75)


def test_the_budget_of_boxes_holds():
    choice = choose(pool(), Budget(40, 30, 0.3, 4), seed=1)
    boxes = {each.frame_id: max(1, each.boxes) for each in pool()}
    assert sum(boxes[pick.frame_id] for pick in choice.picks) <= 30
    held = [pick for pick in choice.picks if pick.reason == "random"]
    assert len(held) >= len(choice.picks) / 4


def test_near_duplicates_are_left_out_and_counted():
    candidates = pool(400, cameras=1)
    copies = [
        Candidate(f"{10_000 + i:032x}", each.camera_id, each.at_s + 0.01, each.boxes, each.uncertainty, each.dhash ^ 1)
        for i, each in enumerate(candidates)
    ]
    choice = choose(candidates + copies, BUDGET, seed=1)
    hashes = {each.frame_id: each.dhash for each in candidates + copies}
    picked = [hashes[pick.frame_id] for pick in choice.picks if pick.reason != "random"]
    assert all((a ^ b).bit_count() >= 4 for i, a in enumerate(picked) for b in picked[:i])
    assert choice.duplicates > 0


def test_a_view_in_which_nothing_moves_still_gives_half_of_the_budget():
    still = [Candidate(f"{i:032x}", "c", 1.7e9 + i, 1, 0.5, dhash=i % 3) for i in range(200)]
    choice = choose(still, BUDGET, seed=1)
    for_training = [pick for pick in choice.picks if pick.split == "train"]
    assert 12 <= len(for_training) <= 16
    at_s = sorted(int(pick.frame_id, 16) for pick in for_training)
    assert min(np.diff(at_s)) >= 1


def test_frames_near_settled_ones_of_another_side_are_left_alone():
    candidates = pool(400, cameras=1)
    taken = [Taken("c0", 1.7e9 + 20 + 40 * i, ("train", "test", "val")[i % 3]) for i in range(5)]
    at_s = {each.frame_id: each.at_s for each in candidates}
    for seed in range(8):
        for pick in choose(candidates, BUDGET, seed=seed, taken=taken).picks:
            for each in taken:
                assert abs(at_s[pick.frame_id] - each.at_s) > 10 or pick.split == each.split


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_few_frames_are_no_trouble(count):
    choice = choose(pool(count), BUDGET, seed=1)
    assert len(choice.picks) == min(count, len(choice.picks))
    assert choice.candidates == count
    assert bool(choice.picks) == bool(count)


def test_a_quarter_at_least_is_held_out_where_the_time_allows_it():
    for seed in range(5):
        choice = choose(pool(120, cameras=1, every_s=0.25, seed=seed), Budget(100, 1000, 0.0, 0), seed=seed)
        held = sum(pick.split != "train" for pick in choice.picks)
        assert held >= len(choice.picks) / 4


def test_diverse_frames_come_from_every_cluster():
    rng = np.random.default_rng(3)
    candidates = [
        Candidate(
            f"{i:032x}",
            "c",
            1.7e9 + i,
            0,
            0.0,
            int(rng.integers(2**64, dtype=np.uint64)),
            sketch=(rng.normal(size=32) * 0.1 + (5 * (i % 7 == 0)) + (-5 * (i % 50 == 1))).astype(np.float32),
            model="m",
        )
        for i in range(400)
    ]
    choice = choose(candidates, Budget(16, 1000, 0.3, 4), seed=1)
    diverse = [int(pick.frame_id, 16) for pick in choice.picks if pick.split == "train"]
    assert any(i % 7 == 0 for i in diverse)
    assert any(i % 50 == 1 for i in diverse)


def test_without_sketches_distances_are_of_hashes():
    plain = [Candidate(f"{i:032x}", "c", 0, 0, 0, dhash) for i, dhash in enumerate((0, 1, 2**64 - 1))]
    near, far = Pool(plain).distances(0)[1:]
    assert 0 < near < far


def test_sketches_keep_distances_and_are_the_same_everywhere():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(50, 256)).astype(np.float16)
    drawn = np.stack([read_sketch(sketch(each)) for each in vectors])
    true = np.linalg.norm(vectors[:, None].astype(float) - vectors[None], axis=2)[np.triu_indices(50, 1)]
    kept = np.linalg.norm(drawn[:, None] - drawn[None], axis=2)[np.triu_indices(50, 1)]
    assert np.abs(kept / true - 1).mean() < 0.15
    assert sketch(np.full(4, np.nan, np.float32)) == b""
    assert sketch(np.arange(4, dtype=np.float32))[:6].hex() == "a8b500803ebc"


def test_uncertainty_is_greatest_in_the_middle():
    assert of_boxes(np.array([0.5, 0.75, 1.0, 0.0], np.float32)) == pytest.approx(1.5)
    assert of_boxes(np.array([], np.float32)) == 0
    assert of_classes(np.array([0.4, 0.4, 0.2], np.float32)) == pytest.approx(1)
    assert of_classes(np.array([1.0, 0.0], np.float32)) == pytest.approx(0)


def test_twenty_thousand_candidates_take_seconds_at_most():
    candidates = pool(20_000, cameras=10)
    begin_s = time.process_time()
    assert len(choose(candidates, Budget(100, 1000, 0.3, 4), seed=1).picks) == 100
    assert time.process_time() - begin_s < 5
