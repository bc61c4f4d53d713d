"""The monitor of a bundle: an autoencoder whose error says how unlike its training pictures a picture is."""

import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from cvops_training.examples import Picture

_SIDE = 64
_STEPS, _BATCH, _RATE = 200, 32, 2e-3
_CODE = 32


class Autoencoder(nn.Module):
    """From uint8 (N, H, W, 3) to the mean squared error of its reconstruction at 64 x 64 px, (N,)."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 24, 3, 2, 1), nn.ReLU(), nn.Conv2d(24, 16, 3, 2, 1),
            nn.ReLU(), nn.Flatten(), nn.Linear(16 * 8 * 8, _CODE),
        )  # fmt: skip
        self.decode = nn.Sequential(
            nn.Linear(_CODE, 16 * 8 * 8), nn.ReLU(), nn.Unflatten(1, (16, 8, 8)),
            nn.Upsample(scale_factor=2), nn.Conv2d(16, 24, 3, 1, 1), nn.ReLU(),
            nn.Upsample(scale_factor=2), nn.Conv2d(24, 16, 3, 1, 1), nn.ReLU(),
            nn.Upsample(scale_factor=2), nn.Conv2d(16, 3, 3, 1, 1),
        )  # fmt: skip

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """The error of each picture."""
        small = functional.interpolate(image.permute(0, 3, 1, 2).float() / 255, (_SIDE, _SIDE), mode="bilinear")
        error: torch.Tensor = ((self.decode(self.encode(small)) - small) ** 2).mean((1, 2, 3))
        return error


def train_monitor(pictures: Sequence[Picture], *, seed: int, steps: int = _STEPS) -> tuple[Autoencoder, float]:
    """Trains a monitor on pictures, uint8 (H, W, 3) each; with it the CPU time it took, in s."""
    began_s = time.process_time()
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    model = Autoencoder().train()
    optimiser = torch.optim.Adam(model.parameters(), lr=_RATE)
    for _ in range(steps):
        chosen = random.integers(len(pictures), size=min(_BATCH, len(pictures)))
        loss = model(torch.from_numpy(np.stack([pictures[at] for at in chosen]))).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    return model.eval(), time.process_time() - began_s
