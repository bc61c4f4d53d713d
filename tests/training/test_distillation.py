"""The base as a teacher: what it answers to replayed examples is to be answered still."""

import numpy as np
import pytest
import torch

from cvops_common.errors import BadArgument
from cvops_training import loop
from cvops_training.params import LoopParams, read
from cvops_training.recipe import Recipe, recipe_of
from tests.training.conftest import drawn

RECIPES = pytest.mark.parametrize("name", ["detector-tiny", "yolox"])


def answers_of(recipe: Recipe, model: torch.nn.Module) -> tuple[torch.Tensor, ...]:
    batch = recipe.batch(drawn(recipe, 2), np.random.default_rng(0), 2)
    with torch.no_grad():
        answers: tuple[torch.Tensor, ...] = model.eval()(batch.pictures)
    return answers


def trained_from(recipe: Recipe, base: torch.nn.Module, **changes: float) -> loop.Trained:
    params = LoopParams(steps=12, batch=4, new_share=0.5, learning_rate=2e-3, seed=1, **changes)
    return loop.train(
        recipe, params, new=drawn(recipe, 6, seed=2, background=200), replay=drawn(recipe, 6, seed=3), classes=2,
        base=base.state_dict(),
    )  # fmt: skip


@RECIPES
def test_who_answers_as_the_teacher_is_at_no_distance(name):
    recipe = recipe_of(name)
    torch.manual_seed(0)
    answers = answers_of(recipe, recipe.build(2, None))
    other = tuple(each + 1.0 for each in answers)

    assert abs(float(recipe.distance(answers, answers, range(2)))) < 1e-6
    assert float(recipe.distance(other, answers, range(2))) > 1e-2


@RECIPES
def test_a_class_that_the_teacher_does_not_know_is_not_asked_of_him(name):
    recipe = recipe_of(name)
    torch.manual_seed(0)
    base = recipe.build(2, None)
    with torch.no_grad():
        for layer in base.head.obj_preds if name == "yolox" else ():
            layer.bias += 8.0  # it sees something everywhere
    moved = recipe.build(2, base.state_dict())
    with torch.no_grad():
        for layer in moved.head.cls_preds if name == "yolox" else [moved.out]:
            layer.bias[1] += 3.0

    taught, answers = answers_of(recipe, base), answers_of(recipe, moved)

    assert abs(float(recipe.distance(answers, taught, [0]))) < 1e-6
    assert float(recipe.distance(answers, taught, [0, 1])) > 1e-3


@RECIPES
def test_a_teacher_keeps_the_answers_to_what_is_replayed(name):
    recipe = recipe_of(name)
    torch.manual_seed(0)
    base = trained_from(recipe, recipe.build(2, None)).model
    pictures = recipe.batch(drawn(recipe, 6, seed=3), np.random.default_rng(5), 2).pictures

    def moved(model: torch.nn.Module) -> float:
        with torch.no_grad():
            return float(recipe.distance(model.eval()(pictures), base.eval()(pictures), range(2)))

    alone, taught = (moved(trained_from(recipe, base, distillation=weight).model) for weight in (0.0, 5.0))

    assert taught < 0.5 * alone


def test_nobody_teaches_a_training_from_nothing_or_without_replay():
    recipe = recipe_of("detector-tiny")
    new = drawn(recipe, 6)
    torch.manual_seed(0)
    base = recipe.build(2, None).state_dict()

    for weights, replay in ((None, drawn(recipe, 4, seed=9)), (base, [])):
        with_teacher, without = (
            loop.train(
                recipe, LoopParams(steps=2, batch=4, distillation=weight), new=new, replay=replay, classes=2,
                base=weights,
            ).losses
            for weight in (1.0, 0.0)
        )  # fmt: skip
        assert with_teacher == without


@pytest.mark.parametrize("wrong", ["-0.1", "nan", "much"])
def test_a_weight_below_nothing_is_refused(wrong):
    with pytest.raises(BadArgument, match="distillation"):
        read(LoopParams(), {"distillation": wrong})
