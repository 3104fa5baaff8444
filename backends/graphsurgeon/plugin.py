"""The quantizer ``qdq``, and the grafts that end a heads model in boxes."""

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
    """Return the node, which the file defines as a function unless it is in the default domain."""
    return CustomOperators(names=frozenset({OPERATOR}), functions=bool(options.namespace))


def load_yolo_layer(options: YoloLayerOptions) -> YoloLayerGraft:
    """Import the implementation."""
    from backends.graphsurgeon.yolo_layer import YoloLayerGraft

    return YoloLayerGraft(options)


def load_onnx() -> OnnxGraft:
    """Import the implementation."""
    from backends.graphsurgeon.yolo_layer import OnnxGraft

    return OnnxGraft()


def load_qdq() -> QdqQuantizer:
    """Import the implementation."""
    from backends.graphsurgeon.qdq import QdqQuantizer

    return QdqQuantizer()


@hookimpl
def hookline_quantizers() -> Iterable[Quantizer]:
    """Register the quantizer."""
    yield Quantizer(
        name="qdq",
        summary="explicit Q/DQ pairs for int8, by the style of the runtime; float16",
        load=load_qdq,
        packages=("numpy", "onnx", "onnx-graphsurgeon"),
    )


@hookimpl
def hookline_grafts() -> Iterable[Graft]:
    """Register the grafts."""
    yield Graft(
        name="yolo_layer",
        summary="the node YoloLayer_TRT: the plugin in TensorRT, its own definition in ONNX Runtime",
        load=load_yolo_layer,
        packages=("onnx", "onnx-graphsurgeon"),
        options=YoloLayerOptions,
        families=frozenset({"yolov5"}),
        operators=operators,
    )
    yield Graft(
        name="onnx",
        summary="the same decode as standard operators, also for what knows no ONNX functions, e.g. OpenVINO",
        load=load_onnx,
        packages=("onnx", "onnx-graphsurgeon"),
        families=frozenset({"yolov5"}),
    )
