"""Which cells and anchors answer for a box."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from backends.yolov5.training.assign import assign
from tests.backends.yolov5.training.restated_loss import positives

ANCHOR = torch.tensor([[2.0, 2.0]])


def cells(x: float, y: float, *, size: float = 2.0, shape: tuple[int, int] = (6, 8)) -> list[tuple[int, int]]:
    """Column and row of each positive of a box with its centre at x, y, all in cells."""
    height, width = shape
    target = torch.tensor([[0, 0, x / width, y / height, size / width, size / height]], dtype=torch.float64)
    (found,) = assign(target, [shape], [ANCHOR.double()], 4.0)
    return list(zip(found.gx.tolist(), found.gy.tolist(), strict=True))


@pytest.mark.parametrize(
    ("centre", "expected"),
    [
        ((3.25, 2.25), [(3, 2), (2, 2), (3, 1)]),
        ((3.75, 2.75), [(3, 2), (4, 2), (3, 3)]),
        ((3.25, 2.75), [(3, 2), (2, 2), (3, 3)]),
        ((3.5, 2.5), [(3, 2)]),
        ((3.0, 2.0), [(3, 2), (2, 2), (3, 1)]),
        ((0.25, 0.25), [(0, 0)]),
        ((0.75, 0.75), [(0, 0), (1, 0), (0, 1)]),
        ((1.25, 0.5), [(1, 0), (0, 0)]),
        ((7.75, 5.75), [(7, 5)]),
        ((7.25, 5.5), [(7, 5), (6, 5)]),
        ((8.0, 6.0), [(7, 5)]),
        ((0.0, 0.0), [(0, 0)]),
    ],
)
def test_own_cell_and_nearest_neighbours_inside_the_grid(
    centre: tuple[float, float], expected: list[tuple[int, int]]
) -> None:
    assert cells(*centre) == expected


@pytest.mark.parametrize(("size", "matches"), [(0.5, False), (0.51, True), (2.0, True), (7.99, True), (8.0, False)])
def test_the_ratio_of_sides_decides(size: float, matches: bool) -> None:
    assert bool(cells(3.5, 2.5, size=size, shape=(16, 16))) == matches


@pytest.mark.parametrize("size", [0.0, float("nan")])
def test_a_box_without_size_matches_nothing(size: float) -> None:
    assert cells(3.5, 2.5, size=size) == []


def test_no_targets() -> None:
    found = assign(torch.zeros(0, 6), [(4, 4), (2, 2)], [ANCHOR, ANCHOR], 4.0)
    assert [len(level.box) for level in found] == [0, 0]


def random_targets(count: int, seed: int) -> Tensor:
    """With some in corners and on cell borders."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.rand(count, 2, generator=generator)
    centres[: count // 4] = torch.randint(0, 9, (count // 4, 2), generator=generator) / 8
    sizes = torch.rand(count, 2, generator=generator) ** 2
    labels = torch.randint(0, 3, (count, 2), generator=generator)
    return torch.cat((labels, centres, sizes), 1).double()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shape", [(8, 8), (4, 16), (1, 1)])
def test_as_restated(shape: tuple[int, int], seed: int) -> None:
    targets = random_targets(60, seed)
    anchors = torch.tensor([[0.7, 1.3], [2.0, 1.5], [5.0, 6.0]], dtype=torch.float64)
    (found,) = assign(targets, [shape], [anchors], 4.0)
    ours = {
        (image, category, anchor, gy, gx, *np.round(box, 9), *size)
        for image, anchor, gy, gx, box, category, size in zip(*(part.tolist() for part in found), strict=True)
    }
    expected = {
        (p.image, p.category, p.anchor, p.row, p.column, *np.round(p.box, 9), *p.size)
        for target in targets.tolist()
        for p in positives(target, shape, anchors.numpy(), 4.0)
    }
    assert ours == expected
    assert len(found.box) == len(ours), "no positive twice"
