"""The network (backbone, feature pyramid, Detect) and its outputs for inference. All tensors are [B, C, H, W]."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from backends.yolov5.config import ModelConfig, level_names
from backends.yolov5.layers import C3, SPPF, ConvBlock, Detect


class BackboneStage(nn.Module):
    """One stage of the backbone: a convolution of stride 2 and a C3 block."""

    def __init__(self, inputs: int, outputs: int, repeats: int) -> None:
        super().__init__()
        self.down = ConvBlock(inputs, outputs, 3, 2)
        self.block = C3(outputs, outputs, repeats, shortcut=True)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H/2, W/2]."""
        out: Tensor = self.block(self.down(x))
        return out


class LastBackboneStage(nn.Module):
    """The last stage of the backbone: with SPPF after the C3 block or, as in v5.0, before it."""

    def __init__(self, inputs: int, outputs: int, repeats: int, *, pool_first: bool) -> None:
        super().__init__()
        self.down = ConvBlock(inputs, outputs, 3, 2)
        self.block = C3(outputs, outputs, repeats, shortcut=not pool_first)
        self.pool = SPPF(outputs)
        self.pool_first = pool_first

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H/2, W/2]."""
        x = self.down(x)
        out: Tensor = self.block(self.pool(x)) if self.pool_first else self.pool(self.block(x))
        return out


class TopDown(nn.Module):
    """One step of the feature pyramid from a coarse level to the next finer one."""

    def __init__(self, inputs: int, lateral: int, repeats: int) -> None:
        super().__init__()
        self.reduce = ConvBlock(inputs, lateral)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.block = C3(2 * lateral, lateral, repeats, shortcut=False)

    def forward(self, x: Tensor, lateral: Tensor) -> tuple[Tensor, Tensor]:
        """Return the reduced coarse level, which the bottom-up path uses, and the finer level."""
        reduced = self.reduce(x)
        return reduced, self.block(torch.cat((self.up(reduced), lateral), 1))


class BottomUp(nn.Module):
    """One step of the feature pyramid from a fine level to the next coarser one."""

    def __init__(self, inputs: int, outputs: int, repeats: int) -> None:
        super().__init__()
        self.down = ConvBlock(inputs, inputs, 3, 2)
        self.block = C3(2 * inputs, outputs, repeats, shortcut=False)

    def forward(self, x: Tensor, reduced: Tensor) -> Tensor:
        """[B, inputs, H, W] and [B, inputs, H/2, W/2] -> [B, outputs, H/2, W/2]."""
        out: Tensor = self.block(torch.cat((self.down(x), reduced), 1))
        return out


class YOLOv5(nn.Module):
    """YOLOv5 detector, v5.0 to v7.0, with three or four levels.

    It returns logits; :class:`Heads` and :class:`Classic` add the outputs for inference.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        channels, repeats = config.channels, config.repeats
        self.stem = ConvBlock(3, channels[0], 6, 2, 2)
        steps = list(zip(channels[:-1], channels[1:], repeats, strict=True))
        self.stages = nn.ModuleList(BackboneStage(*step) for step in steps[:-1])
        self.stages.append(LastBackboneStage(*steps[-1], pool_first=config.pool_first))

        pyramid = channels[-config.levels :]
        self.top_down = nn.ModuleList(
            TopDown(coarse, fine, config.head_repeats) for coarse, fine in pairwise(reversed(pyramid))
        )
        self.bottom_up = nn.ModuleList(
            BottomUp(fine, coarse, config.head_repeats) for fine, coarse in pairwise(pyramid)
        )
        self.detect = Detect(config, pyramid)
        self.detect.start_biases(config)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Run the network on float images [B, 3, H, W], RGB 0..1; H and W are multiples of the largest stride.

        Returns:
            Logits per level, smallest stride first: [B, A*(5+nc), H/s, W/s].
        """
        x: Tensor = self.stem(images)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)

        laterals = features[-self.config.levels : -1]
        reduced = []
        for step, lateral in zip(self.top_down, reversed(laterals), strict=True):
            coarse, x = step(x, lateral)
            reduced.append(coarse)

        levels = [x]
        for step, coarse in zip(self.bottom_up, reversed(reduced), strict=True):
            levels.append(step(levels[-1], coarse))
        logits: list[Tensor] = self.detect(levels)
        return logits

    def fuse(self) -> YOLOv5:
        """Fold every batch normalisation into its convolution, in place."""
        for module in self.modules():
            if isinstance(module, ConvBlock):
                module.fuse()
        return self


class Heads(nn.Module):
    """The network with the layout ``heads``: p3, p4, p5 (p6), each [B, A*(5+nc), H/s, W/s], after the sigmoid."""

    def __init__(self, network: YOLOv5) -> None:
        super().__init__()
        self.network = network
        self.output_names = level_names(network.config.levels)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Run the network on float images [B, 3, H, W], RGB 0..1."""
        return tuple(logits.sigmoid() for logits in self.network(images))


class Classic(nn.Module):
    """The network with the layout ``classic``: output0 [B, N, 5+nc] of cx, cy, w, h in pixels, objectness, classes.

    Rows are ordered by level (smallest stride first), anchor, y, x.
    """

    output_names = ("output0",)

    def __init__(self, network: YOLOv5) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Run the network on float images [B, 3, H, W], RGB 0..1."""
        levels = self.network(images)
        return torch.cat([self._decode(logits, level) for level, logits in enumerate(levels)], 1)

    def _decode(self, logits: Tensor, level: int) -> Tensor:
        config = self.network.config
        batch, _, height, width = logits.shape
        raw = logits.view(batch, config.anchors_per_level, config.outputs_per_anchor, height, width)
        raw = raw.permute(0, 1, 3, 4, 2).sigmoid()
        x = (raw[..., 0:1] * 2 - 0.5 + _indices(width, logits).view(1, 1, 1, -1, 1)) * config.strides[level]
        y = (raw[..., 1:2] * 2 - 0.5 + _indices(height, logits).view(1, 1, -1, 1, 1)) * config.strides[level]
        size = (raw[..., 2:4] * 2) ** 2 * _anchors(config, level).to(logits)
        return torch.cat((x, y, size, raw[..., 4:]), 4).reshape(batch, -1, config.outputs_per_anchor)


def _indices(length: int, like: Tensor) -> Tensor:
    return torch.arange(length, device=like.device, dtype=like.dtype)


def _anchors(config: ModelConfig, level: int) -> Tensor:
    """Return width and height of the anchors of a level, [1, A, 1, 1, 2]."""
    return torch.tensor(config.anchors[level]).view(1, -1, 1, 1, 2)
