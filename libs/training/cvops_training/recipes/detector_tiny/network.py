"""The network: objects as points (Zhou et al. 2019, arXiv:1904.07850) on a grid of 8 px, with context from 16 px."""

import torch
from torch import nn
from torch.nn import functional

STRIDE = 8
WIDTHS = (16, 24, 48, 64)
HEAD = 32
EMBEDDING = WIDTHS[2]
_MEAN, _STD = 0.45, 0.25
_RARE = -3.5
"""Logit of an object at a random cell."""


class ConvNorm(nn.Sequential):
    """Convolution, BatchNorm, ReLU."""

    def __init__(self, inputs: int, outputs: int, size: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )
        self._padding = size // 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """A norm that keeps its statistics is a scale and a shift: inside the convolution they cost nothing."""
        convolution, norm = self[0], self[1]
        assert isinstance(convolution, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        if norm.training or norm.running_mean is None or norm.running_var is None:
            return functional.relu_(norm(convolution(x)))
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        shift = norm.bias - norm.running_mean * scale
        weight = convolution.weight * scale[:, None, None, None]
        return functional.relu_(functional.conv2d(x, weight, shift, convolution.stride, self._padding))


class Residual(nn.Module):
    """Two convolutions beside an identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = ConvNorm(width, width), ConvNorm(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Same shape."""
        out: torch.Tensor = x + self.second(self.first(x))
        return out


class Network(nn.Module):
    """From pictures, float (N, 3, H, W) as `normalised` gives them, to class logits, box offsets and features."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        one, two, three, four = WIDTHS
        self.classes = classes
        self.stem = nn.Sequential(ConvNorm(3, one, stride=2), ConvNorm(one, two, stride=2), ConvNorm(two, two))
        self.fine = nn.Sequential(ConvNorm(two, three, stride=2), Residual(three))
        self.coarse = nn.Sequential(ConvNorm(three, four, stride=2), Residual(four), ConvNorm(four, three, 1))
        self.merge = ConvNorm(three, three)
        self.head = ConvNorm(three, HEAD)
        self.out = nn.Conv2d(HEAD, classes + 4, 1)
        nn.init.normal_(self.out.weight, std=0.02)
        bias = torch.zeros(classes + 4)
        bias[:classes] = _RARE
        self.out.bias = nn.Parameter(bias)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Logits (N, C, H/8, W/8); dx, dy in cells and log w, log h in cells (N, 4, H/8, W/8); features (N, 48)."""
        fine = self.fine(self.stem(x))
        coarse = self.coarse(fine)
        merged = self.merge(fine + functional.interpolate(coarse, scale_factor=2.0, mode="nearest"))
        out = self.out(self.head(merged))
        return out[:, : self.classes], out[:, self.classes :], coarse.mean((2, 3))


def normalised(pictures: torch.Tensor) -> torch.Tensor:
    """uint8 (N, H, W, 3) to float (N, 3, H, W) around 0."""
    return pictures.permute(0, 3, 1, 2).float().sub_(255 * _MEAN).mul_(1 / (255 * _STD))
