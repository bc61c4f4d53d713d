"""What a recipe is: a network, how it learns, and how it becomes a graph. The loop does the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cvops_bundles.spec import DetectionSpec, InputSpec, Task
from cvops_common.errors import BadArgument
from cvops_training.examples import Example, Picture
from cvops_training.params import LoopParams

Answers = tuple[torch.Tensor, ...]
"""What a network says of a batch: tensors with one row an example."""

ENTRY_POINTS = "cvops.recipes"
_SIZES = (96, 1280)


@dataclass(frozen=True, eq=False)
class Found:
    """Detections of one picture by falling score.

    Attributes:
        boxes: float32 (N, 4), network px.
        scores: float32 (N,), 0..1.
        class_ids: int64 (N,).
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]


class Batch(Protocol):
    """Input and targets of a step; what the targets are is the recipe's affair."""

    @property
    def pictures(self) -> torch.Tensor:
        """What the network takes, one row an example."""


class Recipe(Protocol):
    """A way to train a model. Stateless; models are torch modules."""

    name: str
    task: Task
    licences: Sequence[str]
    """Of code and weights, SPDX."""

    def defaults(self, *, fine_tune: bool) -> LoopParams:
        """Parameters for a fine-tune of a base, or for a training from nothing."""

    def sized(self, px: int) -> "Recipe":
        """The recipe for an input whose longer side has `px` px; 0: as it is.

        Raises:
            BadArgument: its network takes no such size.
        """

    def input_spec(self) -> InputSpec:
        """Size of the network input, and how a picture is brought to it."""

    def detection_spec(self) -> DetectionSpec:
        """Thresholds, and how many candidates the graph gives."""

    def build(self, classes: int, weights: Mapping[str, torch.Tensor] | None) -> nn.Module:
        """A network for so many classes; from weights of a bundle, or new.

        Raises:
            TrainingFailed: the weights are of another network.
        """

    def weights_of_graph(self, graph: bytes) -> dict[str, torch.Tensor]:
        """The weights inside a served graph that came from elsewhere (ONNX).

        Raises:
            TrainingFailed: the graph is of another network, or the recipe begins from bundles of its own only.
        """

    def for_classes(
        self, weights: Mapping[str, torch.Tensor], known: Sequence[str], wanted: Sequence[str]
    ) -> dict[str, torch.Tensor]:
        """Weights of a network for the classes `known` as those of one for `wanted`: what is known by name stays."""

    def groups(self, model: nn.Module) -> Mapping[str, Sequence[nn.Module]]:
        """Its layers as "backbone", "neck" and "head"."""

    def batch(self, examples: Sequence[Example], random: np.random.Generator, classes: int) -> Batch:
        """Augmented input and targets of a batch; its pictures are as large as the input, or as a window in it."""

    def loss(self, answers: Answers, batch: Any) -> torch.Tensor:
        """How far the network's answers to a batch are from its targets: a scalar."""

    def distance(self, answers: Answers, taught: Answers, classes: Sequence[int]) -> torch.Tensor:
        """How far answers are from those of a teacher who knows these classes (ids): a scalar, 0 where they agree."""

    def exported(self, model: nn.Module, temperature: float) -> nn.Module:
        """The network as it is served, logits divided by `temperature`.

        From uint8 (N, H, W, 3) RGB to boxes (N, K, 4) px, scores (N, K) falling, class ids int32 (N, K) and an
        embedding (N, D).
        """

    def embedding_dim(self) -> int:
        """D."""


def recipe_of(name: str) -> Recipe:
    """A recipe by name: ours, or of a plug-in.

    Raises:
        BadArgument: there is none of that name.
    """
    found = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name not in found:
        raise BadArgument(f"recipe {name!r} is not known: expected one of {', '.join(sorted(found))}")
    recipe: Recipe = found[name].load()
    return recipe


def check_size(name: str, px: int, step: int) -> None:
    """Refuses an input size that is no multiple of `step` px, or out of 96..1280 px.

    Raises:
        BadArgument: saying which sizes `name` takes.
    """
    if px % step or not _SIZES[0] <= px <= _SIZES[1]:
        raise BadArgument(f"training parameter size: {name} takes multiples of {step} px, 96 to 1280, found {px}")


def as_input(pictures: Sequence[Picture]) -> torch.Tensor:
    """Pictures as the graph takes them: uint8 (N, H, W, 3)."""
    return torch.from_numpy(np.stack(pictures))
