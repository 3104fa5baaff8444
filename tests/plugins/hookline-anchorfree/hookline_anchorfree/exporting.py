"""The network as an ONNX file."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import torch

from hookline import InputContract
from hookline_anchorfree.head import NAMES
from hookline_anchorfree.network import Activated, Detector


def export(network: Detector, target: Path, contract: InputContract, opset: int) -> None:
    """Write a fused network in evaluation mode to ``target``."""
    axes = {axis: word for axis, word in ((0, "batch"), (2, "height"), (3, "width")) if word in contract.dynamic}
    sizes = {name: {axis: word if axis == 0 else f"{word}_{name}" for axis, word in axes.items()} for name in NAMES}
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter reports its own deprecation
            torch.onnx.export(
                Activated(network),
                (torch.zeros(contract.batch, 3, contract.height, contract.width),),
                str(target),
                dynamo=False,
                opset_version=opset,
                input_names=[contract.name],
                output_names=list(NAMES),
                dynamic_axes={contract.name: axes, **sizes} if axes else None,
            )
    finally:
        logger.setLevel(level)
