"""Small random YOLOv5 checkpoints for tests that do not need accuracy."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch

from backends.yolov5.checkpoint import Weights, save
from backends.yolov5.config import P5_ANCHORS, P6_ANCHORS, scaled
from backends.yolov5.model import YOLOv5
from backends.yolov5.session import facts_of
from core.artifacts import Checkpoint

WIDTH = 0.125


@lru_cache
def tiny_weights(*, nc: int = 3, levels: int = 3, width: float = WIDTH, seed: int = 0) -> Weights:
    """Return random weights with activations of constant scale, so that outputs vary with the image."""
    anchors = P5_ANCHORS if levels == 3 else P6_ANCHORS
    config = scaled(depth=0.33, width=width, num_classes=nc, anchors=anchors)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = YOLOv5(config)
        for conv in network.detect.convs:
            torch.nn.init.normal_(conv.get_parameter("weight"), std=1.5)
            torch.nn.init.normal_(conv.get_parameter("bias"), std=0.1)
        _settle(network)
    names = tuple(f"class{index}" for index in range(nc))
    return Weights(config, "tiny", names, network.state_dict())


@torch.no_grad()
def _settle(network: YOLOv5) -> None:
    """Set the statistics of the normalisation from coarse to fine random patches.

    Channels with little variance get the mean variance of their layer; otherwise they would amplify rounding errors
    on other images.
    """
    layers = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for layer in layers:
        layer.momentum = 1.0
    patches = [torch.nn.functional.interpolate(torch.rand(2, 3, n, n), size=128) for n in (1, 4, 16, 64, 128)]
    network.train()(torch.cat(patches))
    for layer in layers:
        variance = layer.get_buffer("running_var")
        variance.clamp_(min=variance.mean().item())


def tiny_checkpoint(path: Path, *, nc: int = 3, levels: int = 3, width: float = WIDTH, seed: int = 0) -> Checkpoint:
    """Write :func:`tiny_weights` to ``path`` (``.safetensors``); 1.8 MB, 0.1 s."""
    weights = tiny_weights(nc=nc, levels=levels, width=width, seed=seed)
    save(weights, path)
    return Checkpoint(path=path, facts=facts_of(weights))
