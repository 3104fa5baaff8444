"""Register the quantizer ``qdq``, and the grafts that append the decode step to a model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from backends.graphsurgeon.options import YoloLayerOptions
from core.kinds.graft import CustomOperators, Graft
from core.kinds.quantizer import Quantizer
from core.plugins.hookspecs import hookimpl
from cuda_plugins.signature import OPERATOR

if TYPE_CHECKING:
    from backends.graphsurgeon.qdq import QdqQuantizer
    from backends.graphsurgeon.yolo_layer import OnnxGraft, YoloLayerGraft


def operators(options: YoloLayerOptions) -> CustomOperators:
    """Return the operator of the graft; the file defines it as a function unless it is in the default domain."""
    return CustomOperators(names=frozenset({OPERATOR}), functions=bool(options.namespace))


def load_yolo_layer(options: YoloLayerOptions) -> YoloLayerGraft:
    """Import and return the graft."""
    from backends.graphsurgeon.yolo_layer import YoloLayerGraft

    return YoloLayerGraft(options)


def load_onnx() -> OnnxGraft:
    """Import and return the graft."""
    from backends.graphsurgeon.yolo_layer import OnnxGraft

    return OnnxGraft()


def load_qdq() -> QdqQuantizer:
    """Import and return the quantizer."""
    from backends.graphsurgeon.qdq import QdqQuantizer

    return QdqQuantizer()


@hookimpl
def hookline_quantizers() -> Iterable[Quantizer]:
    """Register the quantizer."""
    yield Quantizer(
        name="qdq",
        summary="explicit Q/DQ pairs for int8, by the rules of the runtime; float16",
        load=load_qdq,
        packages=("numpy", "onnx", "onnx-graphsurgeon"),
    )


@hookimpl
def hookline_grafts() -> Iterable[Graft]:
    """Register the grafts."""
    yield Graft(
        name="yolo_layer",
        summary="the node YoloLayer_TRT: a plugin in TensorRT, a function of the file in ONNX Runtime",
        load=load_yolo_layer,
        packages=("onnx", "onnx-graphsurgeon"),
        options=YoloLayerOptions,
        families=frozenset({"yolov5"}),
        operators=operators,
    )
    yield Graft(
        name="onnx",
        summary="the same decode step in standard operators, also for tools without ONNX functions, e.g. OpenVINO",
        load=load_onnx,
        packages=("onnx", "onnx-graphsurgeon"),
        families=frozenset({"yolov5"}),
    )
