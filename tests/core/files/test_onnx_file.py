"""Hostile ONNX files, which would crash, block or exhaust memory, are refused in one line, before any library."""

from __future__ import annotations

import os
import random
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
from tests.support.heads_tools import head_for, write_heads
from tests.support.hostile_onnx import REFUSED, Change, detector
from tests.support.limits import bounded
from tests.support.runs import plugins

REGISTRY = plugins().registry


def run(path: Path) -> None:
    """Inspect, open and run a file, as predict does."""
    model = inspect_onnx(path, REGISTRY)
    with load(OrtOptions(threads=1)).open(model, device="cpu") as session:
        session.expect(head_for(session))
        size = model.contract
        session.run(np.zeros((size.batch, 3, size.height, size.width), np.float32))


def test_the_detector_runs(tmp_path: Path) -> None:
    run(detector(tmp_path / "x.onnx"))


@pytest.mark.parametrize("name", REFUSED)
def test_graphs_of_unlimited_work(tmp_path: Path, name: str) -> None:
    change, message = REFUSED[name]
    path = detector(tmp_path / "x.onnx", change)
    with bounded(seconds=15), pytest.raises(HooklineError, match=message) as caught:
        run(path)
    assert "x.onnx" in str(caught.value)
    assert len(str(caught.value)) <= 1000


@pytest.mark.parametrize("name", ["claims", "outside", "cycle", "loop", "recursion", "expand"])
def test_the_runtime_does_not_depend_on_the_inspection(tmp_path: Path, name: str) -> None:
    """A forged sidecar can describe the file."""
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
def test_invalid_metadata(tmp_path: Path, metadata: dict[str, str]) -> None:
    path = detector(tmp_path / "x.onnx", metadata=metadata)
    with bounded(seconds=10), pytest.raises(HooklineError) as caught:
        inspect_onnx(path, REGISTRY)
    assert len(str(caught.value)) <= 1000


def _outputs(shape: list[int]) -> Change:
    """The file states [1, 252, 7] and computes another shape, which shape inference does not find."""

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
    """The size is computed from the image, so it is unknown before."""

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
    with bounded(seconds=20), pytest.raises(HooklineError, match=r"cannot run 'x\.onnx' .*there is not enough memory"):
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
    """Also around a subgraph, which reads values from outside."""
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
