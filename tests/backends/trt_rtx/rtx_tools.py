"""Grafted models in every precision for TensorRT-RTX: tiny ones, and the official networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx

from backends.graphsurgeon.options import YoloLayerOptions
from backends.graphsurgeon.pairs import convert_to_half
from backends.graphsurgeon.qdq import insert_qdq
from backends.graphsurgeon.yolo_layer import YoloLayerGraft
from backends.ort.options import OrtOptions
from backends.ort.runtime import OrtRuntime
from backends.trt.options import STYLE
from backends.yolov5.backend import YOLOv5Backend
from core.artifacts import GraftedModel, OnnxModel, QuantizedModel
from core.calibration import TensorRange
from core.model_facts import InputContract, Precision
from tests.support.heads_tools import grafted, head_for
from tests.support.quantize_tools import full_range, tiny_detector

ALL = ("batch", "height", "width")


def tiny(folder: Path, precision: Precision, *, dynamic: bool = False, fixed_sizes: bool = True) -> GraftedModel:
    """Return a grafted 64x64 detector with all operators that quantisation handles."""
    model = tiny_detector(folder / "tiny.onnx")
    ranges = seen_ranges(model)
    if dynamic:
        _free_axes(model.path)
        model = replace(model, contract=replace(model.contract, dynamic=ALL))
    return graft(model, ranges, precision, folder, fixed_sizes=fixed_sizes)


def official(folder: Path, weights: Path, *, dynamic: bool) -> tuple[OnnxModel, dict[str, TensorRange]]:
    """Return an official network of 640x640, and ranges that are sufficient to build."""
    checkpoint = YOLOv5Backend().read(weights, folder / "own.safetensors")
    contract = InputContract(1, 640, 640, dynamic=ALL if dynamic else ())
    path = folder / f"{checkpoint.facts.variant}.onnx"
    YOLOv5Backend().export(checkpoint, path, contract=contract, layout="heads", opset=17)
    model = OnnxModel(path=path, facts=checkpoint.facts, contract=contract, layout="heads")
    names = [name for node in onnx.load(path).graph.node for name in node.output]
    return model, {name: full_range(-4.0, 4.0) for name in [contract.name, *names]}


def graft(
    model: OnnxModel, ranges: dict[str, TensorRange], precision: Precision, folder: Path, *, fixed_sizes: bool = True
) -> GraftedModel:
    """Return ``model`` in ``precision``, with the decode."""
    graph = onnx.load(model.path)
    if precision is Precision.fp16:
        graph = convert_to_half(graph)
    elif precision is Precision.int8:
        graph = insert_qdq(graph, ranges, STYLE)
    path = folder / f"{model.facts.variant}-{precision.value}.onnx"
    onnx.save(graph, path)
    facts = {"facts": model.facts, "contract": model.contract, "layout": "heads", "precision": precision}
    quantized = QuantizedModel(path=path, runtime="tensorrt_rtx", fixed_sizes=fixed_sizes, **facts)
    target = folder / f"{model.facts.variant}-{precision.value}-decoded.onnx"
    YoloLayerGraft(YoloLayerOptions()).append(quantized, head_for(quantized), target, score_threshold=0.25)
    return grafted(quantized, target)


def seen_ranges(model: OnnxModel) -> dict[str, TensorRange]:
    """Return the ranges of one seeded image, which are sufficient to build."""
    size = (1, 3, model.contract.height, model.contract.width)
    feed = np.random.default_rng(0).random(size, dtype=np.float32)
    with OrtRuntime(OrtOptions(threads=1)).record_activations(model) as recorder:
        return {name: full_range(float(values.min()), float(values.max())) for name, values in recorder.run(feed)}


def _free_axes(path: Path) -> None:
    model = onnx.load(path)
    del model.graph.value_info[:]
    for value in [*model.graph.input, *model.graph.output]:
        axes = value.type.tensor_type.shape.dim
        for axis, name in ((0, "batch"), (2, f"height_{value.name}"), (3, f"width_{value.name}")):
            axes[axis].dim_param = name
    onnx.save(model, path)
