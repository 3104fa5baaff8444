"""Tiny ONNX models with the layout heads, and the head of a model without a registry.

The models have one convolution per level after a SiLU, whose activation can be recorded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from backends.yolov5.head import head as bind
from core.artifacts import GraftedModel, QuantizedModel
from core.kinds.head import DecodedHead, Head
from core.model_facts import DECODED, InputContract, ModelFacts

ANCHORS = (
    (10.0, 13.0, 16.0, 30.0, 33.0, 23.0),
    (30.0, 61.0, 62.0, 45.0, 59.0, 119.0),
    (116.0, 90.0, 156.0, 198.0, 373.0, 326.0),
    (436.0, 615.0, 739.0, 380.0, 925.0, 792.0),
)


def facts(levels: int = 3, classes: int = 4) -> ModelFacts:
    """Build a detector with ``levels`` levels from stride 8."""
    names = tuple(f"class {number}" for number in range(classes))
    strides = tuple(8 << level for level in range(levels))
    return ModelFacts("yolov5", "tiny", names, strides, {"anchors": [list(level) for level in ANCHORS[:levels]]})


def write_heads(
    path: Path,
    *,
    levels: int = 3,
    classes: int = 4,
    batch: int = 1,
    size: tuple[int, int] = (64, 96),
    dynamic: bool = False,
    opset: int = 17,
    **facts_of_model: Any,
) -> QuantizedModel:
    """Build a model with the layout heads and seeded random weights; its objectness spreads over 0..1."""
    what = facts(levels, classes)
    contract = InputContract(batch, *size, dynamic=("batch", "height", "width") if dynamic else ())
    rng = np.random.default_rng(levels * 100 + classes)
    nodes, weights = _stem(rng)
    outputs = []
    for level, stride in enumerate(what.strides):
        channels = len(ANCHORS[level]) // 2 * (5 + classes)
        kernel = (rng.standard_normal((channels, 4, stride // 4, stride // 4)) * 12 / stride).astype(np.float32)
        weights.append(numpy_helper.from_array(kernel, f"w{level}"))
        nodes.append(helper.make_node("Conv", ["stem", f"w{level}"], [f"c{level}"], strides=[stride // 4] * 2))
        nodes.append(helper.make_node("Sigmoid", [f"c{level}"], [f"p{level + 3}"]))
        shape = ["batch", channels, f"h{level}", f"w{level}s"] if dynamic else [batch, channels, *_cells(size, stride)]
        outputs.append(helper.make_tensor_value_info(f"p{level + 3}", TensorProto.FLOAT, shape))
    shape = ["batch", 3, "height", "width"] if dynamic else [batch, 3, *size]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "tiny", [images], outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    helper.set_model_props(model, {"stride": str(what.max_stride), "names": str(dict(enumerate(what.names)))})
    onnx.checker.check_model(model)
    onnx.save(model, path)
    given = {"path": path, "facts": what, "contract": contract, "layout": "heads", "runtime": "onnxruntime"}
    return QuantizedModel(**{**given, **facts_of_model})


def _stem(rng: np.random.Generator) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Add a convolution of stride 4 to 4 channels, and SiLU."""
    kernel = rng.standard_normal((4, 3, 4, 4)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["images", "w"], ["conv"], strides=[4, 4]),
        helper.make_node("Sigmoid", ["conv"], ["gate"]),
        helper.make_node("Mul", ["conv", "gate"], ["stem"]),
    ]
    return nodes, [numpy_helper.from_array(kernel, "w")]


def _cells(size: tuple[int, int], stride: int) -> list[int]:
    return [size[0] // stride, size[1] // stride]


def images(model: QuantizedModel, batch: int, size: tuple[int, int] | None = None) -> NDArray[np.float32]:
    """Return a seeded random input."""
    height, width = size or (model.contract.height, model.contract.width)
    return np.random.default_rng(batch).random((batch, 3, height, width), dtype=np.float32)


def grafted(
    model: QuantizedModel, path: Path, threshold: float = 0.25, operators: tuple[str, ...] = ()
) -> GraftedModel:
    """Return the artifact of a grafted file of ``model``."""
    return GraftedModel(
        path=path,
        facts=model.facts,
        contract=model.contract,
        layout=DECODED,
        precision=model.precision,
        runtime=model.runtime,
        graft="yolo_layer",
        score_threshold=threshold,
    )


class _Described(Protocol):
    facts: ModelFacts
    layout: str


def head_for(model: _Described) -> Head:
    """Return the head of a grafted model, otherwise that of the family yolov5."""
    return DecodedHead(model.facts) if model.layout == DECODED else bind(model.facts, model.layout)
