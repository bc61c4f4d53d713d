"""The recipe `detector-tiny`."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from cvops_bundles.spec import DetectionSpec, InputSpec, Task
from cvops_training.errors import TrainingFailed
from cvops_training.examples import Example
from cvops_training.params import LoopParams
from cvops_training.recipe import Answers, as_input, check_size
from cvops_training.recipes.detector_tiny.graph import CANDIDATES, Graph
from cvops_training.recipes.detector_tiny.network import EMBEDDING, STRIDE, Network, normalised
from cvops_training.recipes.detector_tiny.targets import Targets, targets_of
from cvops_training.teaching import divergence, objects_seen, seen
from cvops_vision.letterbox import Interpolation, Resize, ResizeRule

_WIDTH, _STEP = 320, 16
_DETECTION = DetectionSpec(score_threshold=0.05, iou_threshold=0.55, class_aware=True, max_candidates=CANDIDATES)
_GAIN, _OFFSET = (0.85, 1.18), 0.15
_HUBER = 0.3


@dataclass(frozen=True, eq=False)
class Batch:
    """Input float (N, 3, H, W) and targets."""

    pictures: torch.Tensor
    targets: Targets


class DetectorTiny:
    """A centre-point detector of 201,000 parameters, by itself for pictures of 320 x 192 px."""

    name = "detector-tiny"
    task = Task.DETECT
    licences = ("Apache-2.0",)

    def __init__(self, width: int = _WIDTH) -> None:
        """`width` of the input, px; its height takes pictures of 16:9."""
        height = -(-width * 9 // (16 * _STEP)) * _STEP
        self._input = InputSpec(height, width, Resize(ResizeRule.LETTERBOX_TOP_LEFT, Interpolation.ANTIALIASED))

    def defaults(self, *, fine_tune: bool) -> LoopParams:
        """Half a minute for a fine-tune, one and a half from nothing, of one core."""
        if fine_tune:
            return LoopParams(steps=220, learning_rate=1.5e-3, window=0.7, new_share=0.7, distillation=0.6)
        return LoopParams(steps=518, learning_rate=4e-3, warm_up=0.15, freeze_norm=False)

    def sized(self, px: int) -> "DetectorTiny":
        """Multiples of 16 px."""
        if not px:
            return self
        check_size(self.name, px, _STEP)
        return DetectorTiny(px)

    def input_spec(self) -> InputSpec:
        """320 x 192 px, when nothing else is wished."""
        return self._input

    def detection_spec(self) -> DetectionSpec:
        """60 candidates."""
        return _DETECTION

    def embedding_dim(self) -> int:
        """48."""
        return EMBEDDING

    def build(self, classes: int, weights: Mapping[str, torch.Tensor] | None) -> nn.Module:
        """A network."""
        network = Network(classes)
        if weights is not None:
            _load(network, weights)
        return network.to(memory_format=torch.channels_last)

    def weights_of_graph(self, graph: bytes) -> dict[str, torch.Tensor]:  # noqa: ARG002
        """There is no foreign detector of this kind."""
        raise TrainingFailed(
            "detector-tiny begins from a model that it trained itself, or from nothing (base none): for an imported "
            "YOLOX choose the recipe yolox"
        )

    def for_classes(
        self, weights: Mapping[str, torch.Tensor], known: Sequence[str], wanted: Sequence[str]
    ) -> dict[str, torch.Tensor]:
        """Rows of classes that are known stay; others begin as in a new network."""
        fresh = Network(len(wanted)).state_dict()
        adapted = dict(weights)
        for name in ("out.weight", "out.bias"):
            new, old = fresh[name], weights[name]
            new[len(wanted) :] = old[len(known) :]
            for number, label in enumerate(wanted):
                if label in known:
                    new[number] = old[known.index(label)]
            adapted[name] = new
        return adapted

    def groups(self, model: nn.Module) -> Mapping[str, Sequence[nn.Module]]:
        """Stem and stages, the merge, the head."""
        assert isinstance(model, Network)
        return {
            "backbone": [model.stem, model.fine, model.coarse],
            "neck": [model.merge],
            "head": [model.head, model.out],
        }

    def batch(self, examples: Sequence[Example], random: np.random.Generator, classes: int) -> Batch:
        """Brightness and contrast change from picture to picture; half of the batches are mirrored."""
        if random.random() < 0.5:
            examples = [_mirrored(example) for example in examples]
        pictures = normalised(as_input([example.picture for example in examples]))
        shape = (len(examples), 1, 1, 1)
        gain = torch.from_numpy(random.uniform(*_GAIN, shape).astype(np.float32))
        offset = torch.from_numpy(random.uniform(-_OFFSET, _OFFSET, shape).astype(np.float32))
        height, width = pictures.shape[2:]
        grid = (height // STRIDE, width // STRIDE)
        return Batch(pictures.mul_(gain).add_(offset), targets_of(examples, classes, grid))

    def loss(self, answers: Answers, batch: Batch) -> torch.Tensor:
        """Focal loss of the heat map, per object, and a Huber loss of the boxes."""
        logits, offsets, _ = answers
        targets = batch.targets
        probability = torch.sigmoid(logits).clamp(1e-4, 1 - 1e-4)
        centre = targets.heat == 1
        found = -(torch.log(probability) * (1 - probability) ** 2)[centre].sum()
        background = torch.log(1 - probability) * probability**2 * (1 - targets.heat) ** 4 * targets.counts
        invented = -(background * ~centre).sum()
        total: torch.Tensor = (found + invented) / centre.sum().clamp(min=1)
        return total + _box_loss(offsets, targets.boxes, targets.weight)

    def distance(self, answers: Answers, taught: Answers, classes: Sequence[int]) -> torch.Tensor:
        """Divergence of the heat maps (Kullback-Leibler, cell by cell), per cell that is hot; boxes as in the loss."""
        chosen = list(classes)
        logits, wanted = answers[0][:, chosen], taught[0][:, chosen]
        heat = torch.sigmoid(wanted)
        boxes = _box_loss(answers[1], taught[1], seen(heat.amax(1, keepdim=True)))
        return divergence(logits, wanted).sum() / objects_seen(heat) + boxes

    def exported(self, model: nn.Module, temperature: float) -> nn.Module:
        """With normalisation and decoding."""
        assert isinstance(model, Network)
        return Graph(model, temperature)


def _box_loss(offsets: torch.Tensor, wanted: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Huber loss of boxes (N, 4, h, w), per cell by its weight (N, 1, h, w)."""
    distance = functional.smooth_l1_loss(offsets, wanted, reduction="none", beta=_HUBER)
    loss: torch.Tensor = (distance * weight).sum() / weight.sum().clamp(min=1)
    return loss


def _mirrored(example: Example) -> Example:
    width = example.picture.shape[1]
    boxes = example.boxes.copy()
    boxes[:, [0, 2]] = width - example.boxes[:, [2, 0]]
    return dataclasses.replace(example, picture=example.picture[:, ::-1], boxes=boxes)


def _load(network: Network, weights: Mapping[str, torch.Tensor]) -> None:
    own = network.state_dict()
    other = [name for name in own if name not in weights or weights[name].shape != own[name].shape]
    if other:
        raise TrainingFailed(
            f"the base's weights are of another network: {', '.join(other[:3])} do not fit; begin from a model of "
            "detector-tiny, or from nothing (base none)"
        )
    network.load_state_dict({name: weights[name] for name in own})
