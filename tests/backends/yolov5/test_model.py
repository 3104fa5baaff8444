"""The network against docs/contracts.md."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from backends.yolov5.config import P6_ANCHORS, VARIANTS, ModelConfig, official, scaled, variant_of
from backends.yolov5.layers import SPPF, ConvBlock, focus_to_conv
from backends.yolov5.model import Classic, Heads, YOLOv5
from tests.support.yolov5_tools import tiny_weights

PARAMETERS = {
    "yolov5n": 1_872_157,
    "yolov5s": 7_235_389,
    "yolov5m": 21_190_557,
    "yolov5l": 46_563_709,
    "yolov5x": 86_749_405,
    "yolov5n6": 3.2e6,
    "yolov5s6": 12.6e6,
    "yolov5m6": 35.7e6,
    "yolov5l6": 76.8e6,
    "yolov5x6": 140.7e6,
}
"""With 80 classes; the P6 models as published, in millions with one decimal."""


@pytest.mark.parametrize("variant", VARIANTS)
def test_parameter_counts(variant: str) -> None:
    with torch.device("meta"):
        network = YOLOv5(official(variant))
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count == pytest.approx(PARAMETERS[variant], abs=0.1e6 if variant.endswith("6") else 0)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_network_is_recognised_by_its_shape(variant: str) -> None:
    config = official(variant, num_classes=2)
    assert variant_of(config.channels, config.head_repeats) == variant
    assert variant_of(config.channels, config.head_repeats + 1) is None
    assert ModelConfig.from_dict(config.to_dict()) == config


def test_unknown_variant() -> None:
    with pytest.raises(KeyError):
        official("yolov5t")


@pytest.mark.parametrize(("levels", "strides"), [(3, (8, 16, 32)), (4, (8, 16, 32, 64))])
@pytest.mark.parametrize("pool_first", [False, True])
def test_logits_a_level(levels: int, strides: tuple[int, ...], pool_first: bool) -> None:
    config = tiny_weights(nc=2, levels=levels).config
    network = YOLOv5(ModelConfig(**{**vars(config), "pool_first": pool_first})).eval()
    logits = network(torch.rand(2, 3, 128, 192))
    assert [tuple(level.shape) for level in logits] == [(2, 3 * 7, 128 // s, 192 // s) for s in strides]


def test_start_biases_expect_eight_objects_a_image() -> None:
    torch.manual_seed(0)
    network = YOLOv5(scaled(depth=0.33, width=0.125, num_classes=10))
    for conv, stride in zip(network.detect.convs, (8, 16, 32), strict=True):
        bias = conv.bias.detach().view(3, 15)
        spread = 1 / math.sqrt(conv.in_channels)  # what nn.Conv2d starts with
        assert torch.allclose(bias[:, 4], torch.tensor(math.log(8 / (640 / stride) ** 2)), atol=spread)
        assert torch.allclose(bias[:, 5:], torch.tensor(math.log(0.6 / (10 - 0.99999))), atol=spread)
        assert bias[:, :4].abs().max() <= spread


def test_every_weight_learns() -> None:
    network = YOLOv5(scaled(depth=0.33, width=0.125, num_classes=2, anchors=P6_ANCHORS)).train()
    sum(level.square().mean() for level in network(torch.rand(2, 3, 128, 128))).backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in network.parameters())


def test_fusing_keeps_the_result() -> None:
    network = tiny_weights().network().double()
    images = torch.rand(1, 3, 96, 64, dtype=torch.float64)
    with torch.no_grad():
        expected = network(images)
        fused = copy.deepcopy(network).fuse().fuse()
        found = fused(images)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fused.modules())
    assert max((one - two).abs().max().item() for one, two in zip(expected, found, strict=True)) < 1e-9


def test_focus_is_a_convolution_of_stride_two() -> None:
    torch.manual_seed(0)
    weight, images = torch.randn(8, 12, 3, 3), torch.randn(2, 3, 16, 20)
    slices = [images[..., row::2, column::2] for row, column in ((0, 0), (1, 0), (0, 1), (1, 1))]
    expected = torch.conv2d(torch.cat(slices, 1), weight, padding=1)
    found = torch.conv2d(images, focus_to_conv(weight), stride=2, padding=2)
    assert torch.allclose(expected, found, atol=1e-4)


def test_chained_pools_are_the_parallel_pools_of_spp() -> None:
    torch.manual_seed(0)
    block = SPPF(16).eval()
    x = torch.randn(1, 16, 20, 20)
    with torch.no_grad():
        start = block.reduce(x)
        pools = [torch.max_pool2d(start, size, 1, size // 2) for size in (5, 9, 13)]
        assert torch.equal(block(x), block.merge(torch.cat([start, *pools], 1)))


def test_normalisation_and_activation_are_the_papers() -> None:
    block = ConvBlock(3, 8, 3)
    assert isinstance(block.bn, nn.BatchNorm2d)
    assert (block.bn.eps, block.bn.momentum, block.conv.bias) == (1e-3, 0.03, None)
    assert isinstance(block.act, nn.SiLU)


@pytest.mark.parametrize("levels", [3, 4])
def test_classic_rows_go_by_level_anchor_y_x(levels: int) -> None:
    """Every row restated in plain loops from the heads."""
    weights = tiny_weights(nc=2, levels=levels)
    network, images = weights.network().fuse(), torch.rand(1, 3, 64, 128)
    with torch.no_grad():
        heads, found = Heads(network)(images), Classic(network)(images)[0]
    rows = []
    for head, stride, anchors in zip(heads, weights.config.strides, weights.config.anchors, strict=True):
        for a in range(3):
            for gy in range(head.shape[2]):
                for gx in range(head.shape[3]):
                    sx, sy, sw, sh, *scores = head[0, 7 * a : 7 * a + 7, gy, gx].tolist()
                    centre = [(2 * sx - 0.5 + gx) * stride, (2 * sy - 0.5 + gy) * stride]
                    size = [(2 * sw) ** 2 * anchors[2 * a], (2 * sh) ** 2 * anchors[2 * a + 1]]
                    rows.append([*centre, *size, *scores])
    assert torch.allclose(found, torch.tensor(rows), rtol=1e-5, atol=1e-3)
