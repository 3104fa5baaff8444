"""What inference wants of the network: heads with the sigmoid inside, or the classic decoded output."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from backends.yolov5.config import ModelConfig
from backends.yolov5.model import YOLOv5


class Heads(nn.Module):
    """Images -> p3, p4, p5 (p6), each [B, A*(5+nc), H/s, W/s], sigmoid applied."""

    def __init__(self, network: YOLOv5) -> None:
        super().__init__()
        self.network = network
        self.output_names = tuple(f"p{3 + level}" for level in range(network.config.levels))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images float [B, 3, H, W], RGB 0..1."""
        return tuple(logits.sigmoid() for logits in self.network(images))


class Classic(nn.Module):
    """Images -> output0 [B, N, 5+nc]: cx, cy, w, h in pixels, objectness, classes.

    The rows go by level (small stride first), then anchor, then y, then x.
    """

    output_names = ("output0",)

    def __init__(self, network: YOLOv5) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Images float [B, 3, H, W], RGB 0..1."""
        levels = self.network(images)
        return torch.cat([self._decode(logits, level) for level, logits in enumerate(levels)], 1)

    def _decode(self, logits: Tensor, level: int) -> Tensor:
        config = self.network.config
        batch, _, height, width = logits.shape
        raw = logits.view(batch, config.anchors_per_level, config.outputs_per_anchor, height, width)
        raw = raw.permute(0, 1, 3, 4, 2).sigmoid()
        x = (raw[..., 0:1] * 2 - 0.5 + _count(width, logits).view(1, 1, 1, -1, 1)) * config.strides[level]
        y = (raw[..., 1:2] * 2 - 0.5 + _count(height, logits).view(1, 1, -1, 1, 1)) * config.strides[level]
        size = (raw[..., 2:4] * 2) ** 2 * _anchors(config, level).to(logits)
        return torch.cat((x, y, size, raw[..., 4:]), 4).reshape(batch, -1, config.outputs_per_anchor)


def _count(length: int, like: Tensor) -> Tensor:
    return torch.arange(length, device=like.device, dtype=like.dtype)


def _anchors(config: ModelConfig, level: int) -> Tensor:
    """Width and height of a level's anchors: [1, A, 1, 1, 2]."""
    return torch.tensor(config.anchors[level]).view(1, -1, 1, 1, 2)
