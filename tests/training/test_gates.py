"""Gates: every way in which a candidate can be worse has one that refuses it."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from cvops_bundles.bundle import Bundle, open_bundle
from cvops_training.evaluation import Evaluation, evaluate
from cvops_training.examples import Example
from cvops_training.export import OUTPUTS, parting, to_onnx
from cvops_training.fit import Candidate, Data, Order, train_candidate
from cvops_training.gates import Judged, Limits, judge
from cvops_training.recipe import Found
from cvops_training.recipes.detector_tiny.recipe import DetectorTiny
from tests.small_detectors import CLASSES, HEIGHT, WIDTH, draw, examples_of

NAMES = tuple("abcdefghij")
IMAGES = 30
SIDE = 20.0


def looked_at(shares: Mapping[str, float], score: float = 0.8, wrong: int = 0, objects: int = len(NAMES)) -> Evaluation:
    """Thirty images with one object of every class, of which a share is found with a score.

    Args:
        shares: found share by class, 0..1; the first images are those where it is found.
        score: of what is right.
        wrong: boxes on nothing in every image, with a lower score.
        objects: of each image.
    """
    left = 30.0 * np.arange(objects)
    boxes = np.stack([left, left, left + SIDE, left + SIDE], 1).astype(np.float32).reshape(-1, 4)
    ids = np.arange(objects)
    examples, found = [], []
    for number in range(IMAGES):
        examples.append(Example(np.zeros((8, 8, 3), np.uint8), boxes, ids, np.zeros(objects, np.bool_), str(number)))
        seen = np.array([number < round(shares[NAMES[each]] * IMAGES) for each in ids], np.bool_)
        nothing = np.tile(np.array([[900, 900, 920, 920]], np.float32), (wrong, 1))
        found.append(
            Found(
                np.concatenate([boxes[seen], nothing]),
                np.concatenate([np.full(int(seen.sum()), score), np.full(wrong, score - 0.05)]).astype(np.float32),
                np.concatenate([ids[seen], np.zeros(wrong, np.int64)]),
            )
        )
    return evaluate(examples, found, NAMES)


def all_at(share: float, **but: float) -> dict[str, float]:
    return dict.fromkeys(NAMES, share) | but


DRIFTED, CURED, KNOWN = looked_at(all_at(0.3)), looked_at(all_at(0.8)), looked_at(all_at(0.9))
CHAMPION = Judged(DRIFTED, KNOWN, {"fog": KNOWN}, 10.0)
GOOD = Judged(CURED, KNOWN, {"fog": KNOWN}, 10.0)


def refused_by(candidate: Judged, champion: Judged = CHAMPION) -> set[str]:
    gates = judge(candidate, champion, Limits())
    assert all(np.isfinite(gate.value) and gate.note for gate in gates)
    return {gate.name for gate in gates if not gate.passed}


def test_one_that_is_better_and_forgets_nothing_passes():
    assert refused_by(GOOD) == set()


def test_one_that_is_worse_in_one_class_only_is_refused_by_the_gate_of_that_class():
    worse = looked_at(all_at(0.9, d=0.5))
    assert refused_by(replace(GOOD, clean=worse)) == {"class:d"}


def test_where_nothing_was_known_classes_are_compared_on_the_new_labels():
    champion, candidate = looked_at(all_at(0.3, d=0.9)), looked_at(all_at(0.8, d=0.5))
    assert refused_by(Judged(candidate, None, {}, 10.0), Judged(champion, None, {}, 10.0)) == {"class:d"}


def test_one_that_forgets_everything_a_little_is_refused_by_the_gate_of_what_was_known():
    assert refused_by(replace(GOOD, clean=looked_at(all_at(0.83)))) == {"clean"}


def test_one_that_forgets_a_regression_slice_is_refused_by_its_gate():
    assert refused_by(replace(GOOD, slices={"fog": looked_at(all_at(0.7))})) == {"slice:fog"}


def test_a_slow_one_is_refused():
    assert refused_by(replace(GOOD, latency_ms=19.0)) == set()
    assert refused_by(replace(GOOD, latency_ms=21.0)) == {"latency"}


def test_one_that_only_lowers_the_threshold_is_refused():
    unsure = looked_at(all_at(0.6), score=0.2)
    same_but_surer = looked_at(all_at(0.6), score=0.4)
    assert same_but_surer.f1.mean() > unsure.f1.mean() + 0.5
    champion = replace(CHAMPION, new=unsure)
    assert refused_by(replace(GOOD, new=same_but_surer), champion) == {"gain", "threshold"}
    # More of what is there for more of what is not: average precision rises, the use of it does not.
    more_of_both = looked_at(all_at(0.65), score=0.4, wrong=2)
    assert refused_by(replace(GOOD, new=more_of_both), champion) == {"threshold"}


def test_one_that_finds_nothing_or_everything_has_collapsed():
    assert "collapse" in refused_by(replace(GOOD, new=looked_at(all_at(0.0))))
    assert refused_by(replace(GOOD, new=looked_at(all_at(0.8), wrong=40))) >= {"collapse"}


def test_what_was_known_without_any_object_speaks_against_nobody():
    empty = looked_at(all_at(0.0), objects=0)
    assert refused_by(replace(GOOD, clean=empty), replace(CHAMPION, clean=empty)) == set()


# -- with a real network ---------------------------------------------------------------------------------------

Change = Callable[[torch.Tensor], torch.Tensor]


class Preprocessed(nn.Module):
    """A served network before whose input something is done."""

    def __init__(self, graph: nn.Module, change: Change) -> None:
        super().__init__()
        self.graph, self.change = graph, change

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.graph(self.change(image))


class Slowed(nn.Module):
    """A served network that does its work eight times."""

    def __init__(self, graph: nn.Module) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        boxes, scores, class_ids, embedding = self.graph(image)
        for times in range(7):
            boxes = boxes + 0 * self.graph(image.roll(times + 1, 1))[0]
        return boxes, scores, class_ids, embedding


class Exporting(DetectorTiny):
    """The recipe, with something done to what it exports."""

    def __init__(self, wrap: Callable[[nn.Module], nn.Module]) -> None:
        super().__init__()
        self._wrap = wrap

    def exported(self, model: nn.Module, temperature: float) -> nn.Module:
        return self._wrap(super().exported(model, temperature))


def swapped(image: torch.Tensor) -> torch.Tensor:
    return image.flip(-1)


def scaled_wrongly(image: torch.Tensor) -> torch.Tensor:
    return image.float() / 8


@pytest.fixture(scope="module")
def champion(tiny_detector) -> Bundle:
    return open_bundle(tiny_detector)


def hardly_trained(champion: Bundle, recipe: DetectorTiny, folder) -> Candidate:
    """The champion once more: whatever is worse comes from its export."""
    params = replace(recipe.defaults(fine_tune=True), steps=1, batch=2, learning_rate=1e-7)
    pictures = examples_of([draw(np.random.default_rng(1000 + number)) for number in range(30)])
    data = Data(pictures[:6], [], pictures[6:18], pictures[18:])
    return train_candidate(Order(recipe, params, CLASSES, "discs", champion), data, folder)


def failed(candidate: Candidate) -> set[str]:
    return {gate.name for gate in candidate.gates if not gate.passed}


def test_the_same_network_again_is_no_gain_and_no_loss(champion, tmp_path):
    candidate = hardly_trained(champion, DetectorTiny(), tmp_path)
    assert candidate.base_metrics["clean.map50"] > 0.5
    assert candidate.metrics["clean.map50"] == pytest.approx(candidate.base_metrics["clean.map50"], abs=0.02)
    assert "gain" in failed(candidate)
    assert failed(candidate) <= {"gain", "threshold"}


@pytest.mark.parametrize("change", [swapped, scaled_wrongly])
def test_a_network_that_is_right_behind_wrong_preprocessing_is_refused_by_accuracy(champion, change, tmp_path):
    candidate = hardly_trained(champion, Exporting(lambda graph: Preprocessed(graph, change)), tmp_path)
    assert {"gain", "threshold", "clean"} <= failed(candidate)


def test_a_network_that_takes_eight_times_as_long_is_refused_by_latency(champion, tmp_path):
    assert "latency" in failed(hardly_trained(champion, Exporting(Slowed), tmp_path))


@pytest.mark.parametrize("change", [swapped, scaled_wrongly])
def test_a_graph_that_is_not_the_network_does_not_become_a_bundle(champion, change):
    from cvops_training.export import base_weights

    recipe = DetectorTiny()
    module = recipe.exported(recipe.build(len(CLASSES), base_weights(champion, recipe, CLASSES)), 1.0).eval()
    pictures = np.stack([draw(np.random.default_rng(number)).picture for number in range(2)])
    size = (HEIGHT, WIDTH)
    assert parting(to_onnx(module, size, OUTPUTS), module, pictures, (WIDTH, HEIGHT)).passed
    wrong = to_onnx(Preprocessed(module, change), size, OUTPUTS)
    assert not parting(wrong, module, pictures, (WIDTH, HEIGHT)).passed
