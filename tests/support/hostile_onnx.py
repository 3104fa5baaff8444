"""A small detector in ONNX, and changes that make it hostile, each with its message."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

Change = Callable[[Any], object]


def detector(path: Path, change: Change = lambda model: None, metadata: dict[str, str] | None = None) -> Path:
    """Write a file that claims to be a YOLOv5 with two classes at 64x64, and computes zeros."""
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1, 2, 3], keepdims=0),
            helper.make_node("Reshape", ["mean", "row"], ["cell"]),
            helper.make_node("Mul", ["cell", "zeros"], ["output0"]),
        ],
        "g",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 252, 7])],
        [
            numpy_helper.from_array(np.array([1, 1, 1], np.int64), "row"),
            numpy_helper.from_array(np.zeros((1, 252, 7), np.float32), "zeros"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"stride": "32", "names": "['a', 'b']"} | (metadata or {}))
    change(model)
    path.write_bytes(model.SerializeToString())
    return path


def node(*items: Any, **attributes: Any) -> Change:
    return lambda model: model.graph.node.append(helper.make_node(*items, **attributes))


def _claims(model: Any) -> None:
    model.graph.initializer[1].dims[:] = [1 << 40, 1 << 20]


def _negative(model: Any) -> None:
    model.graph.initializer[1].dims[:] = [-1, 252, 7]


def _half_the_data(model: Any) -> None:
    model.graph.initializer[1].raw_data = bytes(8)


def _undefined(model: Any) -> None:
    model.graph.initializer[1].data_type = 99


def _outside(model: Any) -> None:
    tensor = model.graph.initializer[1]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../../etc/passwd")


def _outside_in_an_attribute(model: Any) -> None:
    tensor = TensorProto(dims=[4], data_type=TensorProto.FLOAT, name="t", data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="/dev/zero")
    model.graph.node.append(helper.make_node("Constant", [], ["t"], value=tensor))


def _outside_in_a_subgraph(model: Any) -> None:
    tensor = TensorProto(dims=[4], data_type=TensorProto.FLOAT, name="t", data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="/dev/zero")
    branch = helper.make_graph([helper.make_node("Identity", ["t"], ["u"])], "b", [], [], [tensor])
    model.graph.node.append(helper.make_node("If", ["c"], ["v"], then_branch=branch, else_branch=branch))


def _cycle(model: Any) -> None:
    model.graph.node.append(helper.make_node("Add", ["y", "images"], ["x"], name="first"))
    model.graph.node.append(helper.make_node("Add", ["x", "images"], ["y"], name="second"))


def _own_result(model: Any) -> None:
    model.graph.node.append(helper.make_node("Add", ["x", "x"], ["x"]))


def _loop(model: Any) -> None:
    body = helper.make_graph([], "b", [], [])
    model.graph.node.append(helper.make_node("Loop", ["n", "c"], ["x"], body=body))


def _functions(model: Any) -> None:
    """Each of 40 functions calls the next one twice."""
    for index in range(40):
        call = f"f{index + 1}"
        nodes = [helper.make_node(call, ["x"], ["y"], domain="d"), helper.make_node(call, ["y"], ["z"], domain="d")]
        model.functions.append(
            helper.make_function("d", f"f{index}", ["x"], ["z"], nodes, [helper.make_opsetid("d", 1)])
        )
    model.graph.node.append(helper.make_node("f0", ["images"], ["x"], domain="d"))


def _wide_functions(model: Any) -> None:
    """Each of 6 functions calls the next one 10 times."""
    for index in range(6):
        nodes = [helper.make_node(f"f{index + 1}", ["x"], [f"y{item}"], domain="d") for item in range(10)]
        model.functions.append(
            helper.make_function("d", f"f{index}", ["x"], ["y0"], nodes, [helper.make_opsetid("d", 1)])
        )
    model.graph.node.append(helper.make_node("f0", ["images"], ["x"], domain="d"))


def _recursion(model: Any) -> None:
    node = helper.make_node("f", ["x"], ["y"], domain="d")
    model.functions.append(helper.make_function("d", "f", ["x"], ["y"], [node], [helper.make_opsetid("d", 1)]))
    model.graph.node.append(helper.make_node("f", ["images"], ["x"], domain="d"))


def _deep(model: Any) -> None:
    graph = helper.make_graph([], "b", [], [])
    for _ in range(20):
        graph = helper.make_graph([helper.make_node("If", ["c"], ["v"], then_branch=graph)], "b", [], [])
    model.graph.node.extend(graph.node)


def _many_nodes(model: Any) -> None:
    model.graph.node.extend(helper.make_node("Relu", ["images"], [f"x{index}"]) for index in range(60_000))


def _constant_of_shape(model: Any) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.array([1 << 40], np.int64), "huge"))
    model.graph.node.append(helper.make_node("ConstantOfShape", ["huge"], ["x"]))


def _expand(model: Any) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.array([1 << 20, 3, 64, 64], np.int64), "huge"))
    model.graph.node.append(helper.make_node("Expand", ["images", "huge"], ["x"]))


def _tile_of_tiles(model: Any) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 8, 8, 8], np.int64), "eight"))
    for index in range(6):
        taken = "images" if not index else f"x{index - 1}"
        model.graph.node.append(helper.make_node("Tile", [taken, "eight"], [f"x{index}"]))


def _size(*sides: int) -> Change:
    def change(model: Any) -> None:
        for dim, side in zip(model.graph.input[0].type.tensor_type.shape.dim, sides, strict=True):
            dim.dim_value = side

    return change


REFUSED: dict[str, tuple[Change, str]] = {
    "claims": (_claims, "too little or too much data"),
    "negative": (_negative, "too little or too much data"),
    "half-the-data": (_half_the_data, "too little or too much data"),
    "undefined-type": (_undefined, "too little or too much data"),
    "outside": (_outside, "weights in other files"),
    "outside-attribute": (_outside_in_an_attribute, "weights in other files"),
    "outside-subgraph": (_outside_in_a_subgraph, "weights in other files"),
    "cycle": (_cycle, "node 'first' .Add. depends on its own output"),
    "own-result": (_own_result, "depends on its own output"),
    "loop": (_loop, "the operator Loop, which may run forever"),
    "functions": (_functions, "nested more than 8 deep"),
    "wide-functions": (_wide_functions, "1,000,003 nodes, more than 50,000"),
    "recursion": (_recursion, "nested more than 8 deep"),
    "deep": (_deep, "nested more than 8 deep"),
    "many-nodes": (_many_nodes, "60,003 nodes"),
    "constant-of-shape": (_constant_of_shape, "elements"),
    "expand": (_expand, "elements"),
    "tiles": (_tile_of_tiles, "elements"),
    "no-outputs": (lambda model: model.graph.ClearField("output"), "has no outputs"),
    "wide-input": (_size(1, 3, 1 << 40, 64), "elements|width|height"),
    "large-batch": (_size(60_000, 3, 640, 640), "elements|batch"),
    "large-sides": (_size(1, 3, 65536, 65536), "elements|batch"),
    "tiny-sides": (_size(1, 3, 4, 4), "its 0 cells"),
}
