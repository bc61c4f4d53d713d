"""YOLOX (Ge et al. 2021, arXiv:2107.08430): CSPDarknet, a pyramid of three scales, a decoupled head.

BatchNorm is folded into the convolutions, as it is in every exported file; names of the parts are those of the paper's
code, so that weights are recognised.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

STRIDES = (8, 16, 32)
_RARE = -4.6
"""log odds of 1 %: a new head begins by finding nothing."""

Unit = Callable[[int, int, int, int], nn.Module]


@dataclass(frozen=True, slots=True)
class Scale:
    """Size of a network.

    Attributes:
        depth: factor on the number of bottlenecks.
        width: factor on the number of channels.
        depthwise: 3x3 convolutions are split into one per channel and a mixing one.
    """

    depth: float
    width: float
    depthwise: bool = False

    def channels(self, full: int) -> int:
        """Channels of a layer that has `full` at width 1."""
        return int(full * self.width)

    def bottlenecks(self, full: int) -> int:
        """Bottlenecks of a stage that has `full` at depth 1."""
        return max(round(full * self.depth), 1)


NANO = Scale(0.33, 0.25, depthwise=True)


class Conv(nn.Module):
    """Convolution and SiLU."""

    def __init__(self, inside: int, outside: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, kernel, stride, (kernel - 1) // 2, groups=groups)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, inside, H, W) to (N, outside, H / stride, W / stride)."""
        return functional.silu(self.conv(x))


class SplitConv(nn.Module):
    """A depthwise convolution and a 1x1 that mixes."""

    def __init__(self, inside: int, outside: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.dconv = Conv(inside, inside, kernel, stride, groups=inside)
        self.pconv = Conv(inside, outside)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """As `Conv`."""
        out: torch.Tensor = self.pconv(self.dconv(x))
        return out


class Bottleneck(nn.Module):
    """1x1, 3x3, and the input added."""

    def __init__(self, channels: int, shortcut: bool, unit: Unit) -> None:
        super().__init__()
        self.conv1, self.conv2, self.shortcut = Conv(channels, channels), unit(channels, channels, 3, 1), shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Same shape."""
        out: torch.Tensor = self.conv2(self.conv1(x))
        return x + out if self.shortcut else out


class CrossStage(nn.Module):
    """Half of the channels through bottlenecks, half past them."""

    def __init__(self, inside: int, outside: int, bottlenecks: int, shortcut: bool, unit: Unit) -> None:
        super().__init__()
        half = outside // 2
        self.conv1, self.conv2, self.conv3 = Conv(inside, half), Conv(inside, half), Conv(2 * half, outside)
        self.m = nn.Sequential(*(Bottleneck(half, shortcut, unit) for _ in range(bottlenecks)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, inside, H, W) to (N, outside, H, W)."""
        through, past = self.conv1(x), self.conv2(x)
        out: torch.Tensor = self.conv3(torch.cat((self.m(through), past), 1))
        return out


class SpatialPyramid(nn.Module):
    """The input beside its maxima over 5, 9 and 13 cells."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = Conv(channels, channels // 2), Conv(2 * channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Same shape."""
        x = self.conv1(x)
        pooled = [functional.max_pool2d(x, size, 1, size // 2) for size in (5, 9, 13)]
        out: torch.Tensor = self.conv2(torch.cat([x, *pooled], 1))
        return out


class Stem(nn.Module):
    """Four neighbouring pixels become channels, then a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = Conv(12, channels, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) to (N, channels, H/2, W/2)."""
        corners = (x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2])
        out: torch.Tensor = self.conv(torch.cat(corners, 1))
        return out


class Darknet(nn.Module):
    """The backbone."""

    def __init__(self, scale: Scale, unit: Unit) -> None:
        super().__init__()
        one, two, three, four, five = (scale.channels(full) for full in (64, 128, 256, 512, 1024))
        few, many = scale.bottlenecks(3), scale.bottlenecks(3) * 3
        self.stem = Stem(one)
        self.dark2 = nn.Sequential(unit(one, two, 3, 2), CrossStage(two, two, few, True, unit))
        self.dark3 = nn.Sequential(unit(two, three, 3, 2), CrossStage(three, three, many, True, unit))
        self.dark4 = nn.Sequential(unit(three, four, 3, 2), CrossStage(four, four, many, True, unit))
        last = CrossStage(five, five, few, False, unit)
        self.dark5 = nn.Sequential(unit(four, five, 3, 2), SpatialPyramid(five), last)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Features at strides 8, 16 and 32."""
        fine = self.dark3(self.dark2(self.stem(x)))
        middle = self.dark4(fine)
        return fine, middle, self.dark5(middle)


class Pyramid(nn.Module):
    """The backbone, and paths down and up again between its scales."""

    def __init__(self, scale: Scale, unit: Unit) -> None:
        super().__init__()
        low, mid, high = (scale.channels(full) for full in (256, 512, 1024))
        count = scale.bottlenecks(3)
        self.backbone = Darknet(scale, unit)
        self.lateral_conv0 = Conv(high, mid)
        self.C3_p4 = CrossStage(2 * mid, mid, count, False, unit)
        self.reduce_conv1 = Conv(mid, low)
        self.C3_p3 = CrossStage(2 * low, low, count, False, unit)
        self.bu_conv2 = unit(low, low, 3, 2)
        self.C3_n3 = CrossStage(2 * low, mid, count, False, unit)
        self.bu_conv1 = unit(mid, mid, 3, 2)
        self.C3_n4 = CrossStage(2 * mid, high, count, False, unit)

    def forward(self, x: torch.Tensor) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
        """Features at the three strides, and those of the backbone at stride 32."""
        fine, middle, coarse = self.backbone(x)
        top = self.lateral_conv0(coarse)
        p4 = self.C3_p4(torch.cat((_twice(top), middle), 1))
        reduced = self.reduce_conv1(p4)
        p3 = self.C3_p3(torch.cat((_twice(reduced), fine), 1))
        n3 = self.C3_n3(torch.cat((self.bu_conv2(p3), reduced), 1))
        n4 = self.C3_n4(torch.cat((self.bu_conv1(n3), top), 1))
        return (p3, n3, n4), coarse


class Head(nn.Module):
    """Boxes, presence and classes, each with convolutions of their own."""

    def __init__(self, classes: int, scale: Scale, unit: Unit) -> None:
        super().__init__()
        hidden = scale.channels(256)

        def two() -> nn.Module:
            return nn.Sequential(unit(hidden, hidden, 3, 1), unit(hidden, hidden, 3, 1))

        self.stems = nn.ModuleList(Conv(scale.channels(full), hidden) for full in (256, 512, 1024))
        self.cls_convs = nn.ModuleList(two() for _ in STRIDES)
        self.reg_convs = nn.ModuleList(two() for _ in STRIDES)
        self.cls_preds = nn.ModuleList(nn.Conv2d(hidden, classes, 1) for _ in STRIDES)
        self.reg_preds = nn.ModuleList(nn.Conv2d(hidden, 4, 1) for _ in STRIDES)
        self.obj_preds = nn.ModuleList(nn.Conv2d(hidden, 1, 1) for _ in STRIDES)
        for convolution in (*self.cls_preds, *self.obj_preds):
            assert isinstance(convolution, nn.Conv2d)
            nn.init.normal_(convolution.weight, std=0.01)
            assert convolution.bias is not None
            nn.init.constant_(convolution.bias, _RARE)

    def forward(self, features: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """(N, A, 5 + C): dx, dy in cells, log w, log h in cells, log odds of presence and of each class."""
        scales = []
        for number, x in enumerate(features):
            x = self.stems[number](x)
            classes = self.cls_preds[number](self.cls_convs[number](x))
            regressed = self.reg_convs[number](x)
            boxes, presence = self.reg_preds[number](regressed), self.obj_preds[number](regressed)
            scales.append(torch.cat((boxes, presence, classes), 1).flatten(2))
        return torch.cat(scales, 2).transpose(1, 2)


class Network(nn.Module):
    """From BGR, float (N, 3, H, W) in 0..255, H and W multiples of 32."""

    def __init__(self, classes: int, scale: Scale = NANO) -> None:
        super().__init__()
        unit: Unit = SplitConv if scale.depthwise else Conv
        self.classes = classes
        self.features = scale.channels(1024)
        self.backbone = Pyramid(scale, unit)
        self.head = Head(classes, scale, unit)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Raw outputs (N, A, 5 + C), see `Head`, and pooled features of the backbone (N, D)."""
        scales, coarse = self.backbone(x)
        return self.head(scales), coarse.mean((2, 3))


def as_bgr(pictures: torch.Tensor) -> torch.Tensor:
    """uint8 RGB (N, H, W, 3) to what the network takes."""
    return pictures.permute(0, 3, 1, 2).flip(1).float()


def cells(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Column and row of each anchor (A, 2), and its stride (A, 1), in the order of the raw outputs."""
    places, strides = [], []
    for stride in STRIDES:
        rows, columns = torch.meshgrid(torch.arange(height // stride), torch.arange(width // stride), indexing="ij")
        places.append(torch.stack((columns, rows), 2).reshape(-1, 2).float())
        strides.append(torch.full((len(places[-1]), 1), float(stride)))
    return torch.cat(places), torch.cat(strides)


def boxes_of(raw: torch.Tensor, places: torch.Tensor, strides: torch.Tensor) -> torch.Tensor:
    """Raw outputs (..., A, 5 + C) to boxes (..., A, 4): left, top, right, bottom in px."""
    centre = (raw[..., :2] + places) * strides
    half = raw[..., 2:4].clamp(max=8).exp() * strides / 2
    return torch.cat((centre - half, centre + half), -1)


def _twice(x: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")
