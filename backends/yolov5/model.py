"""The network: a backbone that halves the picture five (P6: six) times, and a feature pyramid up and down again."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from backends.yolov5.config import ModelConfig
from backends.yolov5.layers import C3, SPPF, ConvBlock, Detect


class Stage(nn.Module):
    """One step of the backbone: a convolution of stride 2, then a C3 block."""

    def __init__(self, inputs: int, outputs: int, repeats: int) -> None:
        super().__init__()
        self.down = ConvBlock(inputs, outputs, 3, 2)
        self.block = C3(outputs, outputs, repeats, shortcut=True)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H/2, W/2]."""
        out: Tensor = self.block(self.down(x))
        return out


class LastStage(nn.Module):
    """The end of the backbone: as :class:`Stage`, with pooling after the C3 block or, as in v5.0, before it."""

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
    """A step from a coarse level to the next finer one."""

    def __init__(self, inputs: int, lateral: int, repeats: int) -> None:
        super().__init__()
        self.reduce = ConvBlock(inputs, lateral)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.block = C3(2 * lateral, lateral, repeats, shortcut=False)

    def forward(self, x: Tensor, lateral: Tensor) -> tuple[Tensor, Tensor]:
        """Gives the reduced coarse level, which the way back uses again, and the finer level."""
        reduced = self.reduce(x)
        return reduced, self.block(torch.cat((self.up(reduced), lateral), 1))


class BottomUp(nn.Module):
    """A step from a fine level to the next coarser one."""

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

    In training and before export it gives logits; ``outputs.py`` adds what inference needs.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        channels, repeats = config.channels, config.repeats
        self.stem = ConvBlock(3, channels[0], 6, 2, 2)
        steps = list(zip(channels[:-1], channels[1:], repeats, strict=True))
        self.stages = nn.ModuleList(Stage(*step) for step in steps[:-1])
        self.stages.append(LastStage(*steps[-1], pool_first=config.pool_first))

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
        """Images float [B, 3, H, W], RGB 0..1, H and W multiples of the largest stride.

        Returns:
            Logits a level, small stride first: [B, A*(5+nc), H/s, W/s].
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
