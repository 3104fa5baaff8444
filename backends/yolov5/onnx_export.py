"""Export of the network to ONNX.

The TorchScript exporter is used on purpose: it names nodes after modules, writes one node per operation, and writes the
requested opset directly. The newer exporter writes opset 18 and converts it.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from backends.yolov5.model import Classic, Heads


def export(
    model: Heads | Classic,
    target: Path,
    *,
    size: tuple[int, int, int],
    dynamic: Collection[str],
    opset: int,
    input_name: str,
) -> None:
    """Write ``model`` to ``target``.

    Args:
        model: The network, fused, in evaluation mode, on the CPU.
        target: The ONNX file.
        size: Batch, height and width of the input.
        dynamic: Dynamic axes, of ``batch``, ``height``, ``width``.
        opset: Opset of the default ONNX domain.
        input_name: Name of the input.
    """
    axes = {axis: name for axis, name in ((0, "batch"), (2, "height"), (3, "width")) if name in dynamic}
    batch, height, width = size
    with _quiet():
        torch.onnx.export(
            model,
            (torch.zeros(batch, 3, height, width),),
            str(target),
            dynamo=False,
            opset_version=opset,
            input_names=[input_name],
            output_names=list(model.output_names),
            dynamic_axes={input_name: axes, **_output_axes(model, dynamic)} if axes else None,
        )


def _output_axes(model: Heads | Classic, dynamic: Collection[str]) -> dict[str, dict[int, str]]:
    if isinstance(model, Classic):
        axes = {0: "batch"} if "batch" in dynamic else {}
        return {"output0": axes | ({1: "boxes"} if {"height", "width"} & set(dynamic) else {})}
    return {
        name: {axis: label for axis, dimension, label in _head_axes(name) if dimension in dynamic}
        for name in model.output_names
    }


def _head_axes(name: str) -> tuple[tuple[int, str, str], ...]:
    return (0, "batch", "batch"), (2, "height", f"height_{name}"), (3, "width", f"width_{name}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the warnings of the exporter about its deprecation and about shapes that become constants."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
