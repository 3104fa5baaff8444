"""The network: a small backbone, a top-down pyramid, and a decoupled head per level.

What the head predicts follows YOLOX (Ge et al., 2021): per cell one box, without anchors, in four numbers relative to
the cell, an objectness and a score per class; classes and boxes come from branches of their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval

STRIDES = (8, 16, 32)
BOX, OBJECTNESS, CLASSES = slice(0, 4), slice(4, 5), slice(5, None)
"""Channels of an output."""
PRIOR = 0.01
"""Objectness and class scores of an untrained network."""

WIDTHS = {"anchorfree_n": (8, 16, 32, 48, 64), "anchorfree_s": (16, 32, 64, 96, 128)}
"""Channels at strides 2, 4, 8, 16 and 32 of each variant."""


@dataclass(frozen=True)
class NetworkShape:
    """What a network is built from.

    Attributes:
        widths: Channels at strides 2, 4, 8, 16 and 32.
        num_classes: Number of classes.
    """

    widths: tuple[int, ...]
    num_classes: int


class Unit(nn.Module):
    """Convolution, batch normalisation, SiLU."""

    def __init__(self, given: int, made: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv: nn.Module = nn.Conv2d(given, made, kernel, stride, kernel // 2, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(made, eps=1e-3)
        self.activation = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return the activations."""
        y: Tensor = self.activation(self.norm(self.conv(x)))
        return y

    def fuse(self) -> None:
        """Fold the normalisation into the convolution."""
        if isinstance(self.conv, nn.Conv2d) and isinstance(self.norm, nn.BatchNorm2d):
            self.conv, self.norm = fuse_conv_bn_eval(self.conv, self.norm), nn.Identity()


class Stage(nn.Module):
    """Halve the resolution, then refine by a residual."""

    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.down = Unit(given, made, 3, 2)
        self.residual = nn.Sequential(Unit(made, made // 2), Unit(made // 2, made, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Return features of half the resolution."""
        y = self.down(x)
        refined: Tensor = y + self.residual(y)
        return refined


class Pyramid(nn.Module):
    """Add what coarse levels see to the fine ones."""

    def __init__(self, given: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(Unit(channels, width) for channels in given)
        self.smooth = nn.ModuleList(Unit(width, width, 3) for _ in given)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Return one tensor per level, fine to coarse, all of one width."""
        merged = [lateral(level) for lateral, level in zip(self.lateral, features, strict=True)]
        for index in reversed(range(len(merged) - 1)):
            merged[index] = merged[index] + self.up(merged[index + 1])
        return [smooth(level) for smooth, level in zip(self.smooth, merged, strict=True)]


class LevelHead(nn.Module):
    """The decoupled head of one level; returns logits."""

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.shared = Unit(width, width)
        self.class_branch = Unit(width, width, 3)
        self.box_branch = Unit(width, width, 3)
        self.classes = nn.Conv2d(width, num_classes, 1)
        self.box = nn.Conv2d(width, 4, 1)
        self.objectness = nn.Conv2d(width, 1, 1)
        for branch in (self.classes, self.objectness):
            assert branch.bias is not None
            nn.init.constant_(branch.bias, math.log(PRIOR / (1 - PRIOR)))

    def forward(self, x: Tensor) -> Tensor:
        """Return [B, 4 + 1 + nc, H, W]."""
        x = self.shared(x)
        boxes = self.box_branch(x)
        return torch.cat([self.box(boxes), self.objectness(boxes), self.classes(self.class_branch(x))], 1)


class Detector(nn.Module):
    """The whole network; returns logits per level, smallest stride first."""

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        self.shape = shape
        widths = shape.widths
        self.stem = Unit(3, widths[0], 3, 2)
        self.stages = nn.ModuleList(Stage(given, made) for given, made in pairwise(widths))
        self.pyramid = Pyramid(widths[-len(STRIDES) :], widths[-len(STRIDES)])
        self.heads = nn.ModuleList(LevelHead(widths[-len(STRIDES)], shape.num_classes) for _ in STRIDES)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return [B, 5 + nc, H/s, W/s] per stride s: box, objectness and class logits."""
        x = self.stem(images)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        pyramid = self.pyramid(features[-len(STRIDES) :])
        return [head(level) for head, level in zip(self.heads, pyramid, strict=True)]

    def fuse(self) -> Detector:
        """Fold all normalisations; for evaluation mode only."""
        for module in self.modules():
            if isinstance(module, Unit):
                module.fuse()
        return self


class Activated(nn.Module):
    """The network with the sigmoid of objectness and classes inside, as it is exported."""

    def __init__(self, network: Detector) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return [B, 5 + nc, H/s, W/s] per stride: the box as it is, objectness and class scores 0..1."""
        return tuple(torch.cat([level[:, BOX], level[:, 4:].sigmoid()], 1) for level in self.network(images))
