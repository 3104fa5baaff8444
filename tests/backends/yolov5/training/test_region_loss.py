"""Ignore regions in the loss: against the formula in plain loops, and what a network learns in them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from backends.yolov5.training.loss import DetectionLoss
from backends.yolov5.training.options import TrainingOptions
from tests.backends.yolov5.training.reference_loss import restated
from tests.backends.yolov5.training.test_loss import IMGSZ, make_config, make_logits, make_targets

REGIONS = [
    [0, 0.5, 0.5, 0.61, 0.43],
    [0, 0.61, 0.55, 0.3, 0.9],  # overlaps the first
    [1, 0.03, 0.97, 0.3, 0.3],  # over the edge
    [1, 0.7, 0.2, 0.001, 0.001],  # without the centre of a cell
    [1, 1.5, 0.5, 0.2, 0.2],  # outside
]
NO_REGIONS = torch.zeros(0, 5)


def regions_of(rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64).view(-1, 5)


@pytest.mark.parametrize("levels", [3, 4])
@pytest.mark.parametrize(
    ("rows", "count"),
    [(REGIONS, 12), (REGIONS, 0), ([[0, 0.5, 0.5, 1, 1], [1, 0.5, 0.5, 1, 1]], 12)],
    ids=["some", "no-objects", "everywhere"],
)
def test_loss_and_gradient_as_restated(rows: list[list[float]], count: int, levels: int) -> None:
    config, gains = make_config(nc=2, levels=levels), TrainingOptions(obj_pw=1.3)
    logits, targets = make_logits(config), make_targets(config)[:count]
    total, parts = DetectionLoss(config, gains, IMGSZ)(logits, targets, regions_of(rows))
    total.backward()
    arrays = [level.detach().numpy() for level in logits]
    expected = restated(arrays, targets.tolist(), config, gains, IMGSZ, regions=rows)
    np.testing.assert_allclose(total.item(), expected.total, rtol=1e-5)
    np.testing.assert_allclose(parts.numpy(), expected.parts, rtol=1e-5, atol=1e-12)
    for level, gradient in zip(logits, expected.gradients, strict=True):
        assert level.grad is not None
        np.testing.assert_allclose(level.grad.numpy(), gradient, rtol=1e-5, atol=1e-5 * np.abs(gradient).max())


def test_a_batch_that_is_one_region_without_objects_has_no_loss() -> None:
    config = make_config()
    logits = make_logits(config)
    everywhere = regions_of([[0, 0.5, 0.5, 1, 1], [1, 0.5, 0.5, 1, 1]])
    total, _ = DetectionLoss(config, TrainingOptions(), IMGSZ)(logits, torch.zeros(0, 6), everywhere)
    total.backward()
    assert total.item() == 0
    assert all(level.grad is not None and not level.grad.any() for level in logits)


@pytest.mark.parametrize("activated", [False, True])
def test_without_regions_the_loss_has_the_same_bits(activated: bool) -> None:
    config = make_config()
    targets, results = make_targets(config).float(), []
    for regions in (None, NO_REGIONS):
        logits = [level.detach().float().sigmoid().requires_grad_() for level in make_logits(config)]
        total, parts = DetectionLoss(config, TrainingOptions(), IMGSZ)(logits, targets, regions, activated=activated)
        total.backward()
        results.append([total.detach(), parts, *(level.grad for level in logits)])
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))


CUDA = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=CUDA)])
def test_any_precision_and_device(device: str, dtype: torch.dtype) -> None:
    config = make_config()
    targets, regions = make_targets(config).float(), regions_of(REGIONS).float()
    logits = [level.detach().to(dtype) for level in make_logits(config)]
    loss = DetectionLoss(config, TrainingOptions(), IMGSZ)
    expected = loss([level.float() for level in logits], targets, regions)[1]
    found = loss([level.to(device) for level in logits], targets.to(device), regions.to(device))[1]
    np.testing.assert_allclose(found.cpu().numpy(), expected.numpy(), rtol=1e-5)


def test_an_object_without_a_label_is_not_suppressed_in_a_region() -> None:
    """Four equal squares, one of them labelled, seen by a network without a sense of place."""
    config = make_config(nc=1)
    image = torch.full((1, 3, 128, 128), 0.2)
    for top in (16, 80):
        for left in (16, 80):
            image[:, :, top : top + 32, left : left + 32] = 1
    pooled = [avg_pool2d(image, stride) for stride in config.strides]
    labelled = torch.tensor([[0, 0, 0.25, 0.25, 0.25, 0.25]])
    others = regions_of([[0, 0.75, 0.5, 0.5, 1], [0, 0.25, 0.75, 0.5, 0.5]]).float()
    scores = {}
    for name, regions in (("regions", others), ("background", NO_REGIONS)):
        torch.manual_seed(0)
        convs = [torch.nn.Conv2d(3, 18, 1) for _ in config.strides]
        loss = DetectionLoss(config, TrainingOptions(obj=4), IMGSZ)
        optimizer = torch.optim.Adam([value for conv in convs for value in conv.parameters()], 0.05)
        for _ in range(100):
            levels = [conv(level) for conv, level in zip(convs, pooled, strict=True)]
            optimizer.zero_grad()
            loss(levels, labelled, regions)[0].backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        objectness = levels[1].view(3, 6, 8, 8)[:, 4].sigmoid().amax(0)
        scores[name] = objectness[5:7, 5:7].mean().item(), objectness[:, 3].max().item()
    assert scores["regions"][0] > 0.3, scores
    assert scores["background"][0] < 0.1, scores
    assert scores["regions"][1] < 0.2, "background outside of the regions is still learned"
