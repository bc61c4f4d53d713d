"""The base of a fine-tune as its teacher, and in what a recipe measures how far answers are from a teacher's.

A label says what is there, the base also how sure one can be of it (learning without forgetting, Li and Hoiem 2016,
arXiv:1606.09282).
"""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from cvops_training.recipe import Answers, Recipe

_OBJECT, _BOX = 0.3, 0.1


class Teacher:
    """The base as it was."""

    def __init__(self, recipe: Recipe, model: nn.Module, known: Sequence[int]) -> None:
        """`known` are the ids of its classes."""
        self._recipe, self._model, self._known = recipe, model.eval().requires_grad_(False), known

    def distance(self, pictures: torch.Tensor, answers: Answers) -> torch.Tensor:
        """How far answers to pictures are from its own."""
        with torch.no_grad():
            taught = self._model(pictures)
        return self._recipe.distance(answers, taught, self._known)


def divergence(logits: torch.Tensor, taught: torch.Tensor) -> torch.Tensor:
    """Kullback-Leibler divergence of coins from those of a teacher, given as log odds, one by one."""
    wanted = taught.sigmoid()
    loss = functional.binary_cross_entropy_with_logits
    return loss(logits, wanted, reduction="none") - loss(taught, wanted, reduction="none")


def seen(probability: torch.Tensor) -> torch.Tensor:
    """How much a teacher's box counts where it sees something with this probability: nothing below .1."""
    return torch.where(probability > _BOX, probability, 0.0)


def objects_seen(probability: torch.Tensor) -> torch.Tensor:
    """How many cells answer for an object, .3 or more likely by a teacher; at least 1, to divide by."""
    return (probability > _OBJECT).sum().clamp(min=1)
