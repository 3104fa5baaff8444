"""Build and run an engine that contains only ``YoloLayer_TRT``; test_engine.py runs each step in a child process.

``python -m tests.cuda_plugins.engine_probe build python|aot PLAN`` and ``... run python|aot PLAN``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

from cuda_plugins.signature import OUTPUTS
from cuda_plugins.yolo_layer import yolo_layer

ANCHORS = [10, 13, 16, 30, 33, 23, 30, 61, 62, 45, 59, 119, 116, 90, 156, 198, 373, 326]
CLASSES, THRESHOLD = 5, 0.5
NAMES = ("p3", "p4", "p5")
SHAPES = [(1, 4, 6), (3, 2, 2)]
"""Batch, and height and width of the last level, of each run."""


def register(form: str):
    import tensorrt as trt

    from cuda_plugins import yolo_layer_aot, yolo_layer_plugin

    (yolo_layer_plugin if form == "python" else yolo_layer_aot).register(trt)
    return trt


def node_alone(*without: str) -> bytes:
    """Return an ONNX model of the node with inputs and outputs, without some attributes."""
    attributes = {"max_stride": 32, "num_classes": CLASSES, "anchors": [float(value) for value in ANCHORS]}
    attributes |= {"prenms_score_threshold": THRESHOLD, "plugin_namespace": "hookline", "plugin_version": "1"}
    attributes = {name: value for name, value in attributes.items() if name not in without}
    node = helper.make_node("YoloLayer_TRT", NAMES, OUTPUTS, name="decode", domain="hookline", **attributes)
    shape = ["batch", 3 * (5 + CLASSES)]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [*shape, f"h{name}", f"w{name}"]) for name in NAMES
    ]
    kinds = (TensorProto.INT32, TensorProto.FLOAT, TensorProto.FLOAT, TensorProto.INT32)
    outputs = [helper.make_tensor_value_info(name, kind, None) for name, kind in zip(OUTPUTS, kinds, strict=True)]
    graph = helper.make_graph([node], "node", inputs, outputs)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("hookline", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def sizes(batch: int, height: int, width: int) -> list[tuple[int, ...]]:
    return [(batch, 3 * (5 + CLASSES), height << level, width << level) for level in (2, 1, 0)]


def build(form: str, plan: Path) -> None:
    trt = register(form)
    logger = trt.Logger(trt.Logger.INFO)
    builder = trt.Builder(logger)
    typed = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    network = builder.create_network(0 if typed is None else 1 << int(typed))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(node_alone()):
        raise SystemExit("\n".join(str(parser.get_error(number)) for number in range(parser.num_errors)))
    config, profile = builder.create_builder_config(), builder.create_optimization_profile()
    for name, least, most in zip(NAMES, sizes(1, 1, 1), sizes(4, 8, 8), strict=True):
        profile.set_shape(name, least, most, most)
    config.add_optimization_profile(profile)
    serialized = builder.build_serialized_network(network, config)
    if serialized is None:
        raise SystemExit("TensorRT built nothing")
    plan.write_bytes(bytes(serialized))


def run(form: str, plan: Path) -> None:
    """Run each shape twice and once from a CUDA graph; the ahead-of-time form without registration."""
    import cupy
    import tensorrt as plain

    trt = register(form) if form == "python" else plain
    runtime = trt.Runtime(trt.Logger(trt.Logger.INFO))
    engine = runtime.deserialize_cuda_engine(plan.read_bytes())
    context, stream = engine.create_execution_context(), cupy.cuda.Stream(non_blocking=True)
    for batch, height, width in SHAPES:
        rng = np.random.default_rng(batch)
        heads = [rng.random(size, dtype=np.float32) for size in sizes(batch, height, width)]
        memory = [cupy.asarray(head) for head in heads]
        for name, array in zip(NAMES, memory, strict=True):
            context.set_input_shape(name, array.shape)
            context.set_tensor_address(name, array.data.ptr)
        rows = 3 * sum(head.shape[2] * head.shape[3] for head in heads)
        shapes = ((batch, 1), (batch, rows, 4), (batch, rows), (batch, rows))
        for name, shape in zip(OUTPUTS, shapes, strict=True):
            assert tuple(context.get_tensor_shape(name)) == shape, name
        kinds = (np.int32, np.float32, np.float32, np.int32)
        outputs = [cupy.full(shape, -7, kind) for shape, kind in zip(shapes, kinds, strict=True)]
        for name, array in zip(OUTPUTS, outputs, strict=True):
            context.set_tensor_address(name, array.data.ptr)
        cupy.cuda.Device().synchronize()
        assert context.execute_async_v3(stream.ptr)
        compare(outputs, heads, stream)
        stream.begin_capture()
        assert context.execute_async_v3(stream.ptr)
        graph = stream.end_capture()
        for array in outputs:
            array.fill(-7)
        cupy.cuda.Device().synchronize()
        graph.launch(stream)
        compare(outputs, heads, stream)


def compare(outputs, heads, stream) -> None:
    stream.synchronize()
    expected = yolo_layer(heads, max_stride=32, num_classes=CLASSES, anchors=ANCHORS, threshold=THRESHOLD)
    for name, array in zip(OUTPUTS, outputs, strict=True):
        np.testing.assert_array_equal(array.get(), expected[name], err_msg=name)


if __name__ == "__main__":
    {"build": build, "run": run}[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
