"""ONNX files without a sidecar: graphs that loop or lie, other dtypes and opsets, odd metadata, damaged bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import onnx
from onnx import TensorProto, helper

from tests.attack import odd
from tests.attack.case import Case, Scene, Variants

Change = Callable[[Scene, Any], object]


def _changed(change: Change, *, classic: bool | None = None) -> Callable[[Scene], Case]:
    """A good export in which something was changed; a stage opens it."""

    def make(scene: Scene) -> Case:
        ours = scene.chance.random() < 0.5 if classic is None else not classic
        model = onnx.load(scene.base.onnx if ours else scene.base.classic)
        try:
            change(scene, model)
            content = model.SerializeToString()
        except (ValueError, TypeError, OverflowError):  # protobuf does not take the value
            content = odd.mutated(scene.base.classic.read_bytes(), scene.chance)
        return _stage(scene, content)

    return make


def _stage(scene: Scene, content: bytes) -> Case:
    scene.write("x.onnx", content)
    stage = scene.chance.choice(("load", "predict", "predict", "calibrate", "build", "quantize"))
    more = {
        "predict": ("source={}", "predict.model=heads"),
        "calibrate": ("calibrate.source={}",),
        "build": ("backend=onnxruntime", "precision=fp32"),
        "quantize": ("backend=onnxruntime", "precision=fp16"),
    }.get(stage, ())
    return Case((f"+stage={stage}", "weights=x.onnx", "device=cpu", *(item.format(scene.base.images) for item in more)))


def _set(model: Any, key: str, value: str) -> None:
    """Give the metadata ``key`` this value."""
    for item in model.metadata_props:
        if item.key == key:
            item.value = value
            return
    model.metadata_props.add(key=key, value=value)


def _drop(model: Any, key: str) -> None:
    kept = [item for item in model.metadata_props if item.key != key]
    properties = [(item.key, item.value) for item in kept]
    del model.metadata_props[:]
    for name, value in properties:
        model.metadata_props.add(key=name, value=value)


def _stride(scene: Scene, model: Any) -> None:
    _drop(model, "hookline")
    _set(model, "stride", scene.chance.choice((
        "inf", "-inf", "nan", "1e999", "", " ", "-32", "0", "32.7", "1e30", "[32]", "9" * 5000, "0x20", "32\0", "3_2",
        "٣٢", "None", "[8, 16, 32]", "8", "16", "64", "128", "1e-9",
    )))  # fmt: skip


def _names(scene: Scene, model: Any) -> None:
    _drop(model, "hookline")
    _set(model, "names", scene.chance.choice((
        "", "[]", "{}", "None", "[" * 500, "[" * 100_000, "(" * 3000, "{0: 'a', 1: 'b'}", "{0: 'a', 2: 'b'}",
        "{'x': 'a', 'y': 'b'}", "{inf: 'a'}", "{1e999: 'a', 2: 'b'}", "{None: 'a', 1: 'b'}",
        "{nan: 'a'}", "['a', 5]", "['a'] * 10**9", "9**9**9", "-" * 5000 + "1", "[" + "'x'," * 300_000 + "]",
        "'" + "x" * 1_000_000 + "'", "{" + "9" * 10_000 + ": 'a'}", "[\"\\ud800\", \"b\"]", "['a', 'a']",
        "['', '']", "['../a', '/b']", "['\\x1b[2J', 'b']", "__import__('os').system('x')", "{0: {1: 'a'}}", "\0",
        "b'a'", "{0: 'a', True: 'b'}", "{'0': 'a', '1': 'b'}", "{0.0: 'a', 1.9: 'b'}", "1+1j", "Ellipsis",
        "['a'" + ",['a'" * 90 + "]" * 91, json.dumps([f"c{number}" for number in range(1000)]), "[NaN]", "{[1]: 'a'}",
        "{{}: 'a'}",
    )))  # fmt: skip


def _ours(scene: Scene, model: Any) -> None:
    """One place in our own metadata has another value."""
    content = json.loads(next(item.value for item in model.metadata_props if item.key == "hookline"))
    for _ in range(scene.chance.choice((1, 1, 2))):
        content = odd.edited(content, scene.chance)
    _set(model, "hookline", odd.as_json(content).encode("utf-8", "replace").decode())


def _properties(scene: Scene, model: Any) -> None:
    what = scene.chance.randrange(4)
    if what == 0:
        del model.metadata_props[:]
    elif what == 1:
        for number in range(20_000):
            model.metadata_props.add(key=f"k{number}", value="x")
    elif what == 2:
        for item in list(model.metadata_props):
            model.metadata_props.add(key=item.key, value="twice")
    else:
        _set(
            model,
            "hookline",
            scene.chance.choice(
                ("", "{}", "null", "[" * 100_000, "9" * 10_000, "{" * 1000, '{"facts": NaN}', "x" * 3_000_000)
            ),
        )


def _loop(scene: Scene, model: Any) -> None:
    """A node reads the output of a later node."""
    nodes = model.graph.node
    what = scene.chance.randrange(4)
    first, last = sorted(scene.chance.sample([place for place, node in enumerate(nodes) if node.input], 2))
    first, last = nodes[first], nodes[last]
    if what == 0:
        first.input[0] = last.output[0]
    elif what == 1:
        first.input[0] = first.output[0]
    elif what == 2:
        last.output[0] = first.output[0]
    else:
        order = list(nodes)
        scene.chance.shuffle(order)
        del nodes[:]
        nodes.extend(order)


def _endless(scene: Scene, model: Any) -> None:
    """The operator Loop with as many rounds as there can be, or a size that explodes."""
    graph = model.graph
    name = graph.input[0].name
    rounds = helper.make_tensor("rounds", TensorProto.INT64, [], [2**62])
    yes = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
    if scene.chance.random() < 0.5:
        values = [
            helper.make_tensor_value_info(key, kind, [])
            for key, kind in (("i", TensorProto.INT64), ("c", TensorProto.BOOL))
        ]
        body = helper.make_graph(
            [helper.make_node("Identity", ["c"], ["d"])],
            "body",
            values,
            [helper.make_tensor_value_info("d", TensorProto.BOOL, [])],
        )
        node = helper.make_node("Loop", ["rounds", "yes"], [], body=body)
        node.output.append("unused")
        carried = helper.make_node("Add", [name, name], ["unused2"])
        graph.node.insert(0, carried)
        body.input.append(helper.make_tensor_value_info("v", TensorProto.FLOAT, None))
        body.node.append(helper.make_node("Add", ["v", "v"], ["w"]))
        body.output.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, None))
        node = helper.make_node("Loop", ["rounds", "yes", name], ["looped"], body=body)
    else:
        size = helper.make_tensor("size", TensorProto.INT64, [4], [1, 3, 2**20, 2**20])
        graph.initializer.append(size)
        node = helper.make_node("Expand", [name, "size"], ["looped"])
    graph.initializer.extend([rounds, yes])
    for other in graph.node:
        for place, taken in enumerate(other.input):
            if taken == name:
                other.input[place] = "looped"
    graph.node.insert(0, node)


def _operator(scene: Scene, model: Any) -> None:
    node = scene.chance.choice(model.graph.node)
    what = scene.chance.randrange(5)
    if what == 0:
        node.op_type = scene.chance.choice(
            (
                "Nope",
                "",
                "Loop",
                "If",
                "PythonOp",
                "Conv",
                "Reshape",
                "x" * 5000,
                "\x1b[2J",
                "DequantizeLinear",
                "QuantizeLinear",
                "YoloLayer_TRT",
            )
        )
    elif what == 1:
        node.domain = scene.chance.choice(("nope", "com.microsoft", "ai.onnx.ml", "x" * 5000, "../x", "hookline"))
    elif what == 2:
        del node.input[:]
    elif what == 3:
        node.attribute.add(name=scene.chance.choice(("axis", "pads", "group", "x")), type=2, i=2**62)
    else:
        for attribute in node.attribute:
            attribute.ints[:] = [scene.chance.choice((-1, 0, 2**40, 2**62)) for _ in attribute.ints]
            attribute.i = 2**40


def _opset(scene: Scene, model: Any) -> None:
    what = scene.chance.randrange(4)
    if what == 0:
        model.opset_import[0].version = scene.chance.choice(
            (-1, 0, 1, 5, 6, 7, 9, 11, 12, 20, 25, 26, 40, 10**9, 2**62)
        )
    elif what == 1:
        model.ir_version = scene.chance.choice((0, 1, 3, 8, 13, 14, 100, 2**62, -1))
    elif what == 2:
        del model.opset_import[:]
    else:
        model.opset_import.add(
            domain=scene.chance.choice(("", "nope", "com.microsoft")), version=scene.chance.choice((1, 5, 99))
        )


def _shapes(scene: Scene, model: Any) -> None:
    """Input or output with other sizes, types and names."""
    value = scene.chance.choice([*model.graph.input, *model.graph.output])
    tensor, what = value.type.tensor_type, scene.chance.randrange(5)
    if what == 0:
        tensor.elem_type = scene.chance.choice(
            (
                TensorProto.FLOAT16,
                TensorProto.DOUBLE,
                TensorProto.UINT8,
                TensorProto.STRING,
                TensorProto.BFLOAT16,
                0,
                99,
            )
        )
    elif what == 1:
        tensor.shape.dim[scene.chance.randrange(len(tensor.shape.dim))].dim_value = scene.chance.choice(
            (-1, 0, 1, 3, 33, 10**6, 2**40, 2**62)
        )
    elif what == 2:
        tensor.shape.dim[scene.chance.randrange(len(tensor.shape.dim))].dim_param = scene.chance.choice(
            ("", "x" * 5000, "batch", "\x1b[2J", "-1")
        )
    elif what == 3:
        value.name = scene.chance.choice(("", "x" * 5000, "DecodeDetectionBoxes", "\x1b[2J", "images"))
    else:
        del tensor.shape.dim[:]


def _graph(scene: Scene, model: Any) -> None:
    graph, what = model.graph, scene.chance.randrange(6)
    if what == 0:
        del graph.node[:]
    elif what == 1:
        del graph.initializer[:]
    elif what == 2:
        graph.output.extend(graph.output[0] for _ in range(scene.chance.choice((1, 5000))))
    elif what == 3:
        graph.input.extend(graph.input[0] for _ in range(scene.chance.choice((1, 5000))))
    elif what == 4:
        graph.initializer.extend([graph.initializer[0]] * scene.chance.choice((1, 50)))
    else:
        graph.node.extend(helper.make_node("Identity", [f"x{number}"], [f"x{number + 1}"]) for number in range(50_000))


def _tensor(scene: Scene, model: Any) -> None:
    tensor, what = scene.chance.choice(model.graph.initializer), scene.chance.randrange(5)
    if what == 0:
        tensor.data_type = scene.chance.choice((0, 2, 8, 10, 16, 23, 99))
    elif what == 1:
        tensor.dims[:] = scene.chance.choice(([], [-1], [2**62], [2**31, 2**31], [0], [1] * 100))
    elif what == 2:
        tensor.raw_data = odd.truncated(tensor.raw_data or b"0" * 40, scene.chance)
    elif what == 3:
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(
            key="location", value=scene.chance.choice(("../../../etc/passwd", "/dev/zero", "x.bin", "", "x" * 5000))
        )
    else:
        tensor.raw_data = scene.chance.choice((b"\xff", b"\x7f")) * len(tensor.raw_data)


def _half(scene: Scene, model: Any) -> None:
    """Everything in float16, as some exporters write it."""
    import numpy as np
    from onnx import numpy_helper

    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    if scene.chance.random() < 0.5:
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.elem_type = TensorProto.FLOAT16


def _bytes(scene: Scene) -> Case:
    good = scene.base.classic.read_bytes()
    return _stage(scene, scene.chance.choice((
        b"", b"\0" * 5000, b"\x0a" * 100_000, b"PK\x03\x04", b"version https://git-lfs.github.com/spec/v1\n",
        b"\xff" * 5000, good * 2, good + b"\xff", b"\x08\x08" * 5000, b"\x3a\xff\xff\xff\xff\x0f" + b"a" * 50,
        b"\x3a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80" * 3, scene.chance.randbytes(3000), b"\x0b" * 200_000,
    )))  # fmt: skip


VARIANTS: Variants = {
    "stride": _changed(_stride, classic=True),
    "names": _changed(_names, classic=True),
    "ours": _changed(_ours, classic=False),
    "properties": _changed(_properties),
    "loop": _changed(_loop),
    "endless": _changed(_endless),
    "operator": _changed(_operator),
    "opset": _changed(_opset),
    "shapes": _changed(_shapes),
    "graph": _changed(_graph),
    "tensor": _changed(_tensor),
    "half": _changed(_half, classic=True),
    "bytes": _bytes,
    "truncated": lambda scene: _stage(scene, odd.truncated(scene.base.classic.read_bytes(), scene.chance)),
    "mutated": lambda scene: _stage(scene, odd.mutated(scene.base.onnx.read_bytes(), scene.chance)),
}
