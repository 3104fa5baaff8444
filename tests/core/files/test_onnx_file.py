"""ONNX files that are made to crash, hang or fill the memory are refused in one line before a library reads them."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from backends.ort.options import OrtOptions
from backends.ort.plugin import load
from core.artifacts import OnnxModel
from core.errors import HooklineError
from core.files import onnx_file
from core.files.onnx_file import check_onnx, read_onnx
from core.model_facts import InputContract, ModelFacts
from stages.load.foreign import inspect_onnx
from tests.support.head_tools import head_for
from tests.support.heads_tools import write_heads
from tests.support.limits import bounded
from tests.support.runs import plugins

REGISTRY = plugins().registry

Change = Callable[[Any], object]


def detector(path: Path, change: Change = lambda model: None, metadata: dict[str, str] | None = None) -> Path:
    """A file that says that it is a YOLOv5 of two classes at 64x64, and computes zeros."""
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


def run(path: Path) -> None:
    """Inspect, open and run a file, as predict does."""
    model = inspect_onnx(path, REGISTRY)
    with load(OrtOptions(threads=1)).open(model, device="cpu") as session:
        session.expect(head_for(session))
        size = model.contract
        session.run(np.zeros((size.batch, 3, size.height, size.width), np.float32))


def test_the_detector_runs(tmp_path: Path) -> None:
    run(detector(tmp_path / "x.onnx"))


def _node(*items: Any, **attributes: Any) -> Change:
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


@pytest.mark.parametrize("name", REFUSED)
def test_graphs_of_unlimited_work(tmp_path: Path, name: str) -> None:
    change, told = REFUSED[name]
    path = detector(tmp_path / "x.onnx", change)
    with bounded(seconds=15), pytest.raises(HooklineError, match=told) as caught:
        run(path)
    assert "x.onnx" in str(caught.value)
    assert len(str(caught.value)) <= 1000


@pytest.mark.parametrize("name", ["claims", "outside", "cycle", "loop", "recursion", "expand"])
def test_the_runtime_does_not_depend_on_the_inspection(tmp_path: Path, name: str) -> None:
    """A sidecar of anybody's can say what the file is."""
    path = detector(tmp_path / "x.onnx", REFUSED[name][0])
    facts = ModelFacts("yolov5", "x", ("a", "b"), (8, 16, 32))
    model = OnnxModel(path=path, facts=facts, contract=InputContract(1, 64, 64), layout="classic")
    with bounded(seconds=10), pytest.raises(HooklineError, match=REFUSED[name][1]):
        load(OrtOptions(threads=1)).open(model, device="cpu")


METADATA = [
    *(
        {"stride": text}
        for text in ("", "inf", "-inf", "nan", "1e999", "-32", "0", "8.5", "9" * 100_000, "0x20", "65537", "64")
    ),
    *(
        {"names": text}
        for text in (
            "",
            "{}",
            "[]",
            "3",
            "{None: 'a', 1: 'b'}",
            "{1e999: 'a', 1: 'b'}",
            "{(0,): 'a'}",
            "[['a'], 'b']",
            "['a'",
            "{0: 'a', 0.0: 'b'}",
            "{'0': 'a', 0: 'b'}",
            "(" * 100_000,
            "-" * 500_000 + "1",
            "[" * 500_000,
            "'" * 500_000,
            "['a', '\\ud800']",
            "['a', '" + "b" * 2000 + "']",
            "['a', 'b', 'c']",
            str(["a"] * 30_000),
            "a" * 2_000_000,
            "[True, 'b']",
            "{'9" + "9" * 5000 + "': 'a', 1: 'b'}",
            "{" + "0:'a'," * 100_000 + "}",
        )
    ),
    *(
        {"hookline": text}
        for text in ("", "[]", "{}", "null", "[" * 100_000, "1" * 5_000_000, '{"facts": Infinity}', '"\\ud800"')
    ),
]


@pytest.mark.parametrize("metadata", METADATA, ids=lambda item: f"{next(iter(item))}-{next(iter(item.values()))[:12]}")
def test_metadata_that_no_model_has(tmp_path: Path, metadata: dict[str, str]) -> None:
    path = detector(tmp_path / "x.onnx", metadata=metadata)
    with bounded(seconds=10), pytest.raises(HooklineError) as caught:
        inspect_onnx(path, REGISTRY)
    assert len(str(caught.value)) <= 1000


def _outputs(shape: list[int]) -> Change:
    """The file states [1, 252, 7] and computes another shape, which shape inference does not see."""

    def change(model: Any) -> None:
        model.graph.node[2].output[0] = "inner"
        values = numpy_helper.from_array(np.zeros(shape, np.float32), "values")
        model.graph.initializer.append(values)
        model.graph.initializer.append(numpy_helper.from_array(np.array([0], np.int64), "at"))
        model.graph.node.extend(
            [
                helper.make_node("NonZero", ["values"], ["none"]),
                helper.make_node("Shape", ["values"], ["sides"]),
                helper.make_node("Shape", ["none"], ["empty"]),
                helper.make_node("Slice", ["empty", "row", "row"], ["nothing"]),
                helper.make_node("Concat", ["sides", "nothing"], ["target"], axis=0),
                helper.make_node("ReduceSum", ["inner"], ["total"], keepdims=0),
                helper.make_node("Expand", ["total", "target"], ["output0"]),
            ]
        )

    return change


@pytest.mark.parametrize("shape", [[1, 252, 6], [252, 7], [1, 252, 7, 1], [2, 252, 7], [7]])
def test_outputs_of_another_shape_than_stated(tmp_path: Path, shape: list[int]) -> None:
    path = detector(tmp_path / "x.onnx", _outputs(shape))
    with pytest.raises(HooklineError, match=r"x\.onnx"):
        run(path)


def test_errors_while_running_are_one_line(tmp_path: Path) -> None:
    """A Reshape that fails only when it is computed."""

    def change(model: Any) -> None:
        model.graph.input[0].type.tensor_type.shape.dim[3].dim_param = "width"
        model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "boxes"
        model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.array([1, 1, 7], np.int64), "row"))
        model.graph.node[1].input[0] = "images"

    model = inspect_onnx(detector(tmp_path / "x.onnx"), REGISTRY)
    detector(model.path, change)
    with (
        load(OrtOptions(threads=1)).open(model, device="cpu") as session,
        pytest.raises(HooklineError, match=r"ONNX Runtime cannot run 'x\.onnx' \(.*export it again"),
    ):
        session.run(np.zeros((1, 3, 64, 96), np.float32))


def test_memory_that_runs_out_while_running(tmp_path: Path) -> None:
    """The size is computed from the image, so nothing knows it before."""

    def change(model: Any) -> None:
        model.graph.initializer.append(numpy_helper.from_array(np.array([1 << 34], np.int64), "many"))
        model.graph.initializer.append(numpy_helper.from_array(np.array(0, np.int64), "zero"))
        model.graph.node.extend(
            [
                helper.make_node("Cast", ["mean"], ["number"], to=TensorProto.INT64),
                helper.make_node("Add", ["number", "many"], ["sum"]),
                helper.make_node("ConstantOfShape", ["sum"], ["huge"]),
                helper.make_node("ReduceMax", ["huge"], ["most"], keepdims=0),
            ]
        )
        model.graph.node[2].output[0] = "inner"
        model.graph.node.append(helper.make_node("Add", ["inner", "most"], ["output0"]))

    path = detector(tmp_path / "x.onnx", change)
    with bounded(seconds=20), pytest.raises(HooklineError, match=r"cannot run 'x\.onnx' .*the memory does not suffice"):
        run(path)


@pytest.mark.parametrize("kind", ["fifo", "folder", "device", "missing"])
def test_regular_files_only(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.onnx"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    with pytest.raises(HooklineError, match=r"not a regular file|No such file"):
        read_onnx(path)


def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "MAX_BYTES", 100)
    with pytest.raises(HooklineError, match="bytes, the limit is 100"):
        read_onnx(detector(tmp_path / "x.onnx"))


def test_nodes_are_put_in_order(tmp_path: Path) -> None:
    """Also around a subgraph, which takes what is made outside."""
    model = write_heads(tmp_path / "x.onnx")
    graph = onnx.load(model.path)
    branch = helper.make_graph(
        [helper.make_node("Identity", ["stem"], ["same"])],
        "b",
        [],
        [helper.make_tensor_value_info("same", TensorProto.FLOAT, None)],
    )
    graph.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    graph.graph.node.insert(0, helper.make_node("If", ["yes"], ["chosen"], then_branch=branch, else_branch=branch))
    nodes = list(reversed(graph.graph.node))
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
    onnx.save(graph, model.path)
    with pytest.raises(onnx.checker.ValidationError, match="topologically sorted"):
        onnx.checker.check_model(graph)
    found = read_onnx(model.path)
    check_onnx(found, model.path)
    assert {node.output[0] for node in found.graph.node} == {node.output[0] for node in nodes}


def test_an_order_that_is_good_stays(tmp_path: Path) -> None:
    model = write_heads(tmp_path / "x.onnx")
    assert read_onnx(model.path) == onnx.load(model.path)


def test_damage_anywhere(tmp_path: Path) -> None:
    """Seeded changes of a good file: it runs or is refused; nothing else happens."""
    good, chance, refused = detector(tmp_path / "good.onnx").read_bytes(), random.Random(1), 0
    weights = good.index(bytes(4000))
    for _ in range(400):
        changed = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            at = chance.choice([chance.randrange(weights), chance.randrange(weights + 7100, len(good))])
            changed[at : at + 1] = chance.choice([bytes([chance.randrange(256)]), b"", b"\xff\xff\xff\x7f", b"\0"])
        (tmp_path / "x.onnx").write_bytes(changed)
        with bounded(seconds=10):
            try:
                run(tmp_path / "x.onnx")
            except HooklineError:
                refused += 1
    assert refused > 200
