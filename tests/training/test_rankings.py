"""Average precision of resampled images: the same number as COCO's, and honest about rare classes."""

import numpy as np
import pytest

from cvops_training.evaluation import evaluate
from cvops_training.examples import Example
from cvops_training.gates import Judged, Limits, judge
from cvops_training.recipe import Found

CLASSES = ("car", "truck")
SIZE = 20.0


def scene(images: int, trucks_every: int, found_share: dict[str, float], seed: int = 1):
    """Images with five cars, and a truck in some; of each class a share is found, and one box in five is wrong."""
    rng = np.random.default_rng(seed)
    examples, found = [], []
    for number in range(images):
        ids = [0] * 5 + [1] * (number % trucks_every == 0)
        left = 40.0 * np.arange(len(ids))
        boxes = np.stack([left, left, left + SIZE, left + SIZE], 1).astype(np.float32)
        class_ids = np.array(ids, np.int64)
        examples.append(
            Example(np.zeros((8, 8, 3), np.uint8), boxes, class_ids, np.zeros(len(ids), np.bool_), f"{number}")
        )
        seen = rng.random(len(ids)) < np.array([found_share[CLASSES[each]] for each in ids])
        wrong = rng.random(len(ids)) < 0.2
        hit = np.concatenate([boxes[seen], boxes[wrong] + 3 * SIZE])
        scores = rng.uniform(0.3, 1, len(hit)).astype(np.float32)
        scores[int(seen.sum()) :] *= 0.7
        found.append(Found(hit, scores, np.concatenate([class_ids[seen], class_ids[wrong]])))
    return evaluate(examples, found, CLASSES)


@pytest.mark.parametrize("seed", range(5))
def test_every_image_once_gives_the_ap_of_coco(seed):
    found = scene(60, 3, {"car": 0.8, "truck": 0.6}, seed)
    for name, ranking in found.rankings.items():
        assert ranking.ap50(np.ones((1, 60)))[0] == pytest.approx(found.ap50[name], abs=0.02)


def test_an_image_that_counts_twice_is_two_images():
    found = scene(40, 3, {"car": 0.7, "truck": 0.7})
    ranking = found.rankings["truck"]
    assert ranking.ap50(np.full((1, 40), 2.0)) == pytest.approx(ranking.ap50(np.ones((1, 40))))


def gate(champion, candidate, name):
    sides = [Judged(None, each, {}, 1.0) for each in (candidate, champion)]
    return next(each for each in judge(*sides, Limits()) if each.name == f"class:{name}")


def test_a_class_that_is_lost_is_refused_though_it_is_rare():
    champion = scene(60, 4, {"car": 0.9, "truck": 0.9})
    candidate = scene(60, 4, {"car": 0.9, "truck": 0.2})
    assert not gate(champion, candidate, "truck").passed
    assert gate(champion, candidate, "car").passed


def test_candidates_that_lose_no_more_than_the_limit_are_refused_one_time_in_ten_at_most():
    refused = 0
    for seed in range(30):
        champion = scene(60, 4, {"car": 0.9, "truck": 0.8}, seed)
        candidate = scene(60, 4, {"car": 0.9, "truck": 0.72}, seed + 1000)
        refused += not gate(champion, candidate, "truck").passed
    assert refused <= 7  # 30 times .1, and two and a half standard deviations
