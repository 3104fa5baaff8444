"""The cells of all levels in one row: level, y, x. Decoding in PyTorch; the twin in NumPy is ``head.py``."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hookline_anchorfree.network import STRIDES


@dataclass(frozen=True)
class Cells:
    """Where the predictions of N cells belong.

    Attributes:
        grid: [N, 2], column and row of the cell in its level.
        strides: [N, 1], pixels per cell.
    """

    grid: Tensor
    strides: Tensor

    @property
    def centres(self) -> Tensor:
        """[N, 2], the middle of each cell in pixels."""
        return (self.grid + 0.5) * self.strides

    def boxes(self, predicted: Tensor) -> Tensor:
        """Return [B, N, 4], centre x, centre y, width and height in pixels, of what the network predicts."""
        centres = (predicted[..., :2] + self.grid) * self.strides
        return torch.cat([centres, predicted[..., 2:4].exp() * self.strides], -1)


def flattened(levels: list[Tensor]) -> tuple[Tensor, Cells]:
    """Return the predictions of all levels as [B, N, 5 + nc], and their cells."""
    grids, strides = [], []
    for level, stride in zip(levels, STRIDES, strict=True):
        rows, columns = (torch.arange(side, device=level.device, dtype=torch.float32) for side in level.shape[2:])
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        grids.append(torch.stack([x, y], -1).reshape(-1, 2))
        strides.append(torch.full((len(grids[-1]), 1), float(stride), device=level.device))
    rows_of = [level.flatten(2).transpose(1, 2) for level in levels]
    return torch.cat(rows_of, 1), Cells(torch.cat(grids), torch.cat(strides))
