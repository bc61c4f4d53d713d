"""The network as a server runs it: uint8 in; boxes, scores, class ids and an embedding out."""

import torch
from torch import nn
from torch.nn import functional

from cvops_training.recipes.detector_tiny.network import STRIDE, Network, normalised

CANDIDATES = 60
_SIDES = (-3.0, 5.0)


class Graph(nn.Module):
    """The 60 best local maxima of the heat map as boxes."""

    def __init__(self, network: Network, temperature: float = 1.0) -> None:
        """`temperature` divides the logits, so that a score is the probability of being right."""
        super().__init__()
        self.network = network
        self.temperature = temperature

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """From uint8 (N, H, W, 3): boxes (N, K, 4) px, scores (N, K) falling, class ids int32 (N, K), (N, 48)."""
        logits, offsets, features = self.network(normalised(image))
        heat = torch.sigmoid(logits / self.temperature)
        # Of the logits: scores near 0 and 1 are rounded to equal ones, and equal neighbours are all maxima.
        peaks = heat * (logits == functional.max_pool2d(logits, 3, 1, 1)).float()
        width = heat.shape[3]
        cells = heat.shape[2] * width
        scores, best = peaks.flatten(1).topk(CANDIDATES, dim=1)
        class_ids = torch.div(best, cells, rounding_mode="floor")
        at = best - class_ids * cells
        row = torch.div(at, width, rounding_mode="floor")
        column = at - row * width
        near = offsets.flatten(2).gather(2, at.unsqueeze(1).expand(-1, 4, -1))
        centre_x = (column.float() + 0.5 + near[:, 0]) * STRIDE
        centre_y = (row.float() + 0.5 + near[:, 1]) * STRIDE
        half = near[:, 2:].clamp(*_SIDES).exp() * (STRIDE / 2)
        boxes = torch.stack(
            [centre_x - half[:, 0], centre_y - half[:, 1], centre_x + half[:, 0], centre_y + half[:, 1]], 2
        )
        return boxes, scores, class_ids.to(torch.int32), features
