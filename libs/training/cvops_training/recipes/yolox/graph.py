"""The network as a server runs it."""

import torch
from torch import nn

from cvops_training.recipes.yolox.network import Network, as_bgr, boxes_of, cells

CANDIDATES = 300
_SURE = 1e-6


class Graph(nn.Module):
    """The 300 best anchors, each with its best class."""

    places: torch.Tensor
    strides: torch.Tensor

    def __init__(self, network: Network, size_hw: tuple[int, int], temperature: float = 1.0) -> None:
        """`temperature` divides the log odds of a score."""
        super().__init__()
        self.network = network
        self.temperature = temperature
        places, strides = cells(*size_hw)
        self.register_buffer("places", places)
        self.register_buffer("strides", strides)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """From uint8 (N, H, W, 3): boxes (N, K, 4) px, scores (N, K) falling, class ids int32 (N, K), (N, D)."""
        raw, features = self.network(as_bgr(image))
        of_class, class_ids = raw[..., 5:].sigmoid().max(2)
        scores, best = (raw[..., 4].sigmoid() * of_class).topk(CANDIDATES, dim=1)
        boxes = boxes_of(raw, self.places, self.strides).gather(1, best.unsqueeze(2).expand(-1, -1, 4))
        if self.temperature != 1.0:
            scores = torch.sigmoid(torch.logit(scores.clamp(_SURE, 1 - _SURE)) / self.temperature)
        return boxes, scores, class_ids.gather(1, best).to(torch.int32), features
