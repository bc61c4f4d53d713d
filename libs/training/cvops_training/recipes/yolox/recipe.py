"""The recipe `yolox`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from cvops_bundles.spec import DetectionSpec, InputSpec, Task
from cvops_training.errors import TrainingFailed
from cvops_training.examples import Example
from cvops_training.params import LoopParams
from cvops_training.recipe import Answers, as_input, check_size
from cvops_training.recipes.yolox.augment import augmented
from cvops_training.recipes.yolox.graph import CANDIDATES, Graph
from cvops_training.recipes.yolox.network import NANO, Network, as_bgr, cells
from cvops_training.recipes.yolox.targets import Objects, apart, loss_of
from cvops_training.recipes.yolox.weights import for_classes, weights_of_graph
from cvops_vision.letterbox import Interpolation, Resize, ResizeRule

_SIDE, _STEP = 416, 32
_DETECTION = DetectionSpec(score_threshold=0.05, iou_threshold=0.6, class_aware=True, max_candidates=CANDIDATES)


@dataclass(frozen=True, eq=False)
class Batch:
    """Input float (N, 3, H, W) and what is in each picture."""

    pictures: torch.Tensor
    truth: list[Objects]


class Yolox:
    """YOLOX-nano, by itself for pictures of 416 x 416 px.

    A fine-tune leaves the backbone, and with it the embedding, as it is.
    """

    name = "yolox"
    task = Task.DETECT
    licences = ("Apache-2.0",)

    def __init__(self, side: int = _SIDE) -> None:
        """`side` of the input, px."""
        self._input = InputSpec(side, side, Resize(ResizeRule.LETTERBOX_TOP_LEFT, Interpolation.LINEAR))

    def defaults(self, *, fine_tune: bool) -> LoopParams:
        """Half a minute of one core for a fine-tune."""
        if fine_tune:
            return LoopParams(
                steps=60, batch=8, learning_rate=5e-4, weight_decay=5e-4, clip=10.0, new_share=0.65, freeze="neck",
                ema=0.95,
            )  # fmt: skip
        return LoopParams(steps=2000, batch=16, learning_rate=1e-3, weight_decay=5e-4, clip=10.0, ema=0.998)

    def sized(self, px: int) -> "Yolox":
        """Multiples of 32 px."""
        if not px:
            return self
        check_size(self.name, px, _STEP)
        return Yolox(px)

    def input_spec(self) -> InputSpec:
        """416 x 416 px, when nothing else is wished."""
        return self._input

    def detection_spec(self) -> DetectionSpec:
        """300 candidates."""
        return _DETECTION

    def embedding_dim(self) -> int:
        """256."""
        return NANO.channels(1024)

    def build(self, classes: int, weights: Mapping[str, torch.Tensor] | None) -> nn.Module:
        """A network."""
        network = Network(classes)
        if weights is not None:
            try:
                network.load_state_dict(dict(weights))
            except RuntimeError as error:
                raise TrainingFailed(f"the base's weights are not those of a YOLOX-nano: {error}") from error
        return network.to(memory_format=torch.channels_last)

    def weights_of_graph(self, graph: bytes) -> dict[str, torch.Tensor]:
        """Those of an imported YOLOX-nano."""
        return weights_of_graph(graph)

    def for_classes(
        self, weights: Mapping[str, torch.Tensor], known: Sequence[str], wanted: Sequence[str]
    ) -> dict[str, torch.Tensor]:
        """Rows of classes that are known stay."""
        return for_classes(weights, known, wanted)

    def groups(self, model: nn.Module) -> Mapping[str, Sequence[nn.Module]]:
        """CSPDarknet, the pyramid, the head."""
        assert isinstance(model, Network)
        neck = [module for name, module in model.backbone.named_children() if name != "backbone"]
        return {"backbone": [model.backbone.backbone], "neck": neck, "head": [model.head]}

    def batch(self, examples: Sequence[Example], random: np.random.Generator, classes: int) -> Batch:  # noqa: ARG002
        """Every picture in another size, place, mirror and colour."""
        changed = [augmented(example, random) for example in examples]
        pictures = as_bgr(as_input([example.picture for example in changed]))
        return Batch(pictures.contiguous(memory_format=torch.channels_last), [_objects(example) for example in changed])

    def loss(self, answers: Answers, batch: Batch) -> torch.Tensor:
        """Boxes, presence and classes of the anchors that SimOTA chooses."""
        places, strides = cells(*batch.pictures.shape[2:])
        return loss_of(answers[0], places, strides, batch.truth)

    def distance(self, answers: Answers, taught: Answers, classes: Sequence[int]) -> torch.Tensor:
        """Divergence of presence and classes, and distance of boxes, of the anchors in which the teacher is sure."""
        return apart(answers[0], taught[0], classes)

    def exported(self, model: nn.Module, temperature: float) -> nn.Module:
        """With decoding."""
        assert isinstance(model, Network)
        return Graph(model, (self._input.height, self._input.width), temperature)


def _objects(example: Example) -> Objects:
    counts = ~example.ignore
    return Objects(
        torch.from_numpy(example.boxes[counts]).float(),
        torch.from_numpy(example.class_ids[counts]),
        torch.from_numpy(example.boxes[example.ignore]).float(),
    )
