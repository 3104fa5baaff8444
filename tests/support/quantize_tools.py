"""A tiny detector with the operators that quantisation handles: SiLU, residual, concat, pooling, resize, two heads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, shape_inference

from core.artifacts import OnnxModel
from core.calibration import TensorRange
from core.model_facts import InputContract, ModelFacts

SIZE = 64
FACTS = ModelFacts("yolov5", "tiny", ("a", "b"), (4, 8), {"anchors": [[10.0, 13.0], [30.0, 61.0]]})


class Net:
    """Collects nodes and seeded weights."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def op(self, kind: str, inputs: list[str], name: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [name], name=f"/{name}/{kind}", **attributes))
        return name

    def conv(self, source: str, name: str, channels: tuple[int, int], kernel: int = 1, stride: int = 1) -> str:
        wanted, given = channels
        weight = self.rng.standard_normal((wanted, given, kernel, kernel)) * (1.7 / np.sqrt(given * kernel**2))
        self.weights += [
            numpy_helper.from_array(weight.astype(np.float32), f"{name}.weight"),
            numpy_helper.from_array((self.rng.standard_normal(wanted) * 0.3).astype(np.float32), f"{name}.bias"),
        ]
        inputs = [source, f"{name}.weight", f"{name}.bias"]
        shape = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [kernel // 2] * 4}
        return self.op("Conv", inputs, f"{name}.x", **shape)

    def block(self, source: str, name: str, channels: tuple[int, int], kernel: int = 1, stride: int = 1) -> str:
        x = self.conv(source, name, channels, kernel, stride)
        gate = self.op("Sigmoid", [x], f"{name}.gate")
        return self.op("Mul", [x, gate], f"{name}.y")


def tiny_detector(path: Path, *, opset: int = 17) -> OnnxModel:
    """Write the model; input ``images`` [1, 3, 64, 64], outputs p3 [1, 7, 16, 16] and p4 [1, 7, 8, 8]."""
    net = Net()
    stem = net.block("images", "stem", (16, 3), 3, 2)
    down = net.block(stem, "down", (16, 16), 3, 2)
    inner = net.block(net.block(down, "b1", (16, 16)), "b2", (16, 16), 3)
    added = net.op("Add", [down, inner], "added")
    side = net.block(down, "side", (16, 16))
    fused = net.block(net.op("Concat", [added, side], "joined", axis=1), "fuse", (16, 32))
    deep = net.block(fused, "deep", (16, 16), 3, 2)
    pooled = net.op("MaxPool", [deep], "pooled", kernel_shape=[5, 5], strides=[1, 1], pads=[2] * 4)
    both = net.block(net.op("Concat", [deep, pooled], "spp", axis=1), "after", (16, 32))
    net.weights.append(numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "factors"))
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    up = net.op("Resize", [both, "", "factors"], "up", **how)
    top = net.block(net.op("Concat", [up, fused], "neck", axis=1), "top", (16, 32), 3)
    net.op("Sigmoid", [net.conv(top, "head3", (7, 16))], "p3")
    net.op("Sigmoid", [net.conv(both, "head4", (7, 16))], "p4")
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 7, SIZE // stride, SIZE // stride])
        for name, stride in (("p3", 4), ("p4", 8))
    ]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIZE, SIZE])
    graph = helper.make_graph(net.nodes, "tiny", [images], outputs, net.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    helper.set_model_props(model, {"stride": "8", "names": "{0: 'a', 1: 'b'}", "hookline": "{}"})
    onnx.save(shape_inference.infer_shapes(model), path)
    return OnnxModel(path=path, facts=FACTS, contract=InputContract(1, SIZE, SIZE), layout="heads")


def pictures(count: int, seed: int = 1) -> NDArray[np.float32]:
    """Return smooth random input, [count, 3, 64, 64] in 0..1."""
    coarse = np.random.default_rng(seed).random((count, 3, 8, 8), dtype=np.float32)
    return coarse.repeat(8, axis=2).repeat(8, axis=3)


def run(model: onnx.ModelProto | Path, feed: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Run ONNX Runtime on one thread; float16 without optimisations, which break it between Q/DQ pairs."""
    options = ort.SessionOptions()
    loaded = onnx.load(model) if isinstance(model, Path) else model
    if any(item.data_type == TensorProto.FLOAT16 for item in loaded.graph.initializer):
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(loaded.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"images": feed})


def seen_ranges(model: onnx.ModelProto, count: int = 16) -> dict[str, TensorRange]:
    """Return the range of every activation over some images."""
    tapped = onnx.ModelProto()
    tapped.CopyFrom(model)
    names = [name for node in model.graph.node for name in node.output]
    del tapped.graph.output[:]
    tapped.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    values: Mapping[str, list[NDArray[np.float32]]] = {name: [] for name in names}
    feeds = pictures(count)
    for index in range(count):
        for name, value in zip(names, run(tapped, feeds[index : index + 1]), strict=True):
            values[name].append(value)
    stacked = {name: np.concatenate(arrays) for name, arrays in values.items()} | {"images": feeds}
    return {name: full_range(float(array.min()), float(array.max())) for name, array in stacked.items()}


def full_range(low: float, high: float) -> TensorRange:
    """Return a range without clipping."""
    return TensorRange(min=low, max=high, low=low, high=high, amax=max(-low, high))
