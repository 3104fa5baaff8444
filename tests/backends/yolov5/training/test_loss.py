"""The loss and its gradient against a restatement in plain loops."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor

from backends.yolov5.config import P5_ANCHORS, P6_ANCHORS, ModelConfig, scaled
from backends.yolov5.training.assign import ciou
from backends.yolov5.training.loss import DetectionLoss
from backends.yolov5.training.options import TrainingOptions
from tests.backends.yolov5.training.reference_loss import complete_iou, restated

IMGSZ = 128


def make_config(*, nc: int = 3, levels: int = 3) -> ModelConfig:
    anchors = P5_ANCHORS if levels == 3 else P6_ANCHORS
    return scaled(depth=0.33, width=0.125, num_classes=nc, anchors=anchors)


def make_logits(config: ModelConfig, *, batch: int = 2, seed: int = 0, width: int = IMGSZ + 64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    channels = config.anchors_per_level * config.outputs_per_anchor
    return [
        torch.randn(batch, channels, IMGSZ // s, width // s, generator=generator).double().requires_grad_()
        for s in config.strides
    ]


def make_targets(config: ModelConfig, *, count: int = 12, batch: int = 2, seed: int = 0) -> Tensor:
    """Random boxes, and some that touch edges and corners or share a cell and an anchor."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, batch, (count, 1), generator=generator)
    category = torch.randint(0, config.num_classes, (count, 1), generator=generator)
    boxes = torch.rand(count, 4, generator=generator)
    boxes[:, 2:] = boxes[:, 2:] * 0.9 + 0.05
    boxes[:4, :2] = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.3]])
    boxes[4] = boxes[5] = boxes[6]
    boxes[5, 2:] *= 1.1
    labels[4:7] = 0
    return torch.cat((labels, category, boxes), 1).double()


def compare(config: ModelConfig, gains: TrainingOptions, logits: list[Tensor], targets: Tensor) -> None:
    total, parts = DetectionLoss(config, gains, IMGSZ)(logits, targets)
    total.backward()
    arrays = [level.detach().double().numpy() for level in logits]
    expected = restated(arrays, targets.tolist(), config, gains, IMGSZ)
    np.testing.assert_allclose(total.item(), expected.total, rtol=1e-5)
    np.testing.assert_allclose(parts.numpy(), expected.parts, rtol=1e-5, atol=1e-12)
    for level, gradient in zip(logits, expected.gradients, strict=True):
        assert level.grad is not None
        np.testing.assert_allclose(level.grad.numpy(), gradient, rtol=1e-5, atol=1e-5 * np.abs(gradient).max())


@pytest.mark.parametrize("levels", [3, 4])
@pytest.mark.parametrize("nc", [1, 2, 5])
def test_loss_and_gradient_as_restated(nc: int, levels: int) -> None:
    config = make_config(nc=nc, levels=levels)
    compare(config, TrainingOptions(), make_logits(config, seed=nc), make_targets(config, seed=nc))


@pytest.mark.parametrize(
    "changes",
    [
        {"label_smoothing": 0.1},
        {"obj_pw": 1.7, "cls_pw": 0.6},
        {"box": 0.02, "obj": 0.3, "cls": 0.9},
        {"anchor_t": 2.5},
    ],
    ids=str,
)
def test_settings_as_restated(changes: dict[str, float]) -> None:
    config = make_config()
    gains = dataclasses.replace(TrainingOptions(), **changes)
    compare(config, gains, make_logits(config), make_targets(config))


def test_float32_as_restated() -> None:
    config = make_config()
    logits = [level.detach().float().requires_grad_() for level in make_logits(config)]
    compare(config, TrainingOptions(), logits, make_targets(config).float())


def test_channels_last_as_restated() -> None:
    config = make_config()
    logits = [level.detach().clone(memory_format=torch.channels_last).requires_grad_() for level in make_logits(config)]
    compare(config, TrainingOptions(), logits, make_targets(config))


def test_no_targets_as_restated() -> None:
    config = make_config()
    logits = make_logits(config)
    compare(config, TrainingOptions(), logits, torch.zeros(0, 6, dtype=torch.float64))
    assert all(level.grad is not None and level.grad.unflatten(1, (3, -1))[:, :, :4].eq(0).all() for level in logits)


def test_the_best_fit_wins_a_shared_cell_in_any_order() -> None:
    config = make_config()
    logits = make_logits(config)
    one = torch.tensor([0, 1, 0.43, 0.57, 0.2, 0.3], dtype=torch.float64)
    two = torch.tensor([0, 1, 0.43, 0.57, 0.3, 0.2], dtype=torch.float64)
    loss = DetectionLoss(config, TrainingOptions(), IMGSZ)
    (_, first), (_, second) = (loss(logits, torch.stack(pair)) for pair in ((one, two), (two, one)))
    assert first[1] == second[1]
    apart = [loss(logits, box[None])[1][1] for box in (one, two)]
    assert first[1] != apart[0]
    assert first[1] != apart[1]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_computed_in_float32(dtype: torch.dtype) -> None:
    config = make_config()
    half = [level.detach().to(dtype).requires_grad_() for level in make_logits(config)]
    full = [level.detach().float().requires_grad_() for level in half]
    targets = make_targets(config).float()
    loss = DetectionLoss(config, TrainingOptions(), IMGSZ)
    (total, parts), (expected, expected_parts) = loss(half, targets), loss(full, targets)
    assert parts.dtype == torch.float32
    assert total.item() == expected.item()
    assert torch.equal(parts, expected_parts)
    total.backward()
    expected.backward()
    for one, two in zip(half, full, strict=True):
        assert one.grad is not None
        assert two.grad is not None
        assert one.grad.dtype == dtype
        scale = two.grad.abs().max().item()
        assert (one.grad.float() - two.grad).abs().max().item() < scale * torch.finfo(dtype).eps


def test_outputs_of_the_sigmoid_give_the_same_parts_and_stay_finite() -> None:
    config = make_config()
    logits, targets = [level.detach() for level in make_logits(config)], make_targets(config)
    loss = DetectionLoss(config, TrainingOptions(), IMGSZ)
    expected = loss(logits, targets)[1]
    found = loss([level.sigmoid() for level in logits], targets, activated=True)[1]
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-6)
    for value in (0.0, 1.0):
        assert loss([torch.full_like(level, value) for level in logits], targets, activated=True)[1].isfinite().all()


CUDA = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=CUDA)])
def test_same_bits_every_time(device: str) -> None:
    config = make_config(nc=20)
    targets = make_targets(config, count=12).float().repeat(60, 1).to(device)  # many gradients meet in one cell
    base = [level.detach().float().to(device) for level in make_logits(config)]
    torch.set_num_threads(2)
    try:
        runs = []
        for _ in range(4):
            logits = [level.clone().requires_grad_() for level in base]
            total, _ = DetectionLoss(config, TrainingOptions(), IMGSZ)(logits, targets)
            total.backward()
            runs.append([total.detach(), *(level.grad for level in logits if level.grad is not None)])
    finally:
        torch.set_num_threads(1)
    assert all(torch.equal(one, two) for run in runs[1:] for one, two in zip(runs[0], run, strict=True))


def test_extreme_logits_stay_finite() -> None:
    config = make_config()
    for value in (-60.0, 60.0):
        logits = [torch.full_like(level, value, dtype=torch.float32).requires_grad_() for level in make_logits(config)]
        total, _ = DetectionLoss(config, TrainingOptions(), IMGSZ)(logits, make_targets(config).float())
        total.backward()
        assert total.isfinite()
        assert all(level.grad is not None and level.grad.isfinite().all() for level in logits)


@pytest.mark.parametrize("seed", range(3))
def test_ciou_as_restated(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    one, two = torch.rand(2, 50, 4, generator=generator, dtype=torch.float64) + 0.05
    expected = [complete_iou(tuple(a), tuple(b))[0] for a, b in zip(one.tolist(), two.tolist(), strict=True)]
    np.testing.assert_allclose(ciou(one, two).numpy(), expected, rtol=1e-5, atol=1e-6)


def test_ciou_of_equal_and_of_distant_boxes() -> None:
    box = torch.tensor([[0.5, 0.5, 0.4, 0.2]], dtype=torch.float64)
    assert ciou(box, box).item() == pytest.approx(1, abs=1e-5)
    away = box + torch.tensor([[3.0, 0, 0, 0]], dtype=torch.float64)
    assert ciou(box, away).item() == pytest.approx(-(3**2) / (3.4**2 + 0.2**2), abs=1e-6)
