"""Checkpoints that are made to crash, hang or fill the memory end in a CheckpointError, in bounded time and memory."""

from __future__ import annotations

import copy
import json
import random
import re
import struct
import zipfile
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from backends.yolov5 import checkpoint, pickle_machine
from backends.yolov5 import convert_checkpoint as official
from backends.yolov5.errors import CheckpointError
from backends.yolov5.pickle_machine import PickleMachine
from backends.yolov5.pickle_values import Name, PickleError, StandIn
from backends.yolov5.unpickle import read_pickle
from tests.backends.yolov5.official_files import P5, write_official
from tests.backends.yolov5.test_unpickle import zipped
from tests.support.limits import bounded
from tests.support.yolov5_tools import tiny_weights

STORAGE = b"(S'storage'\nctorch\nFloatStorage\nS'0'\nS'cpu'\nI2\ntQ"
TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE + b"I0\n(I2\nt(I1\ntI00\nNtR"
TARGETS = {
    "tensor": TENSOR,
    "parameter": b"ctorch._utils\n_rebuild_parameter\n(" + TENSOR + b"I01\nNtR",
    "storage": STORAGE,
    "ordered": b"ccollections\nOrderedDict\n)R",
    "size": b"ctorch\nSize\n((I1\nttR",
    "dtype": b"ctorch\nfloat16\n",
    "module": b"cmodels.common\nConv\n)\x81",
    "list": b"]",
    "dict": b"}",
    "set": b"c__builtin__\nset\n((ltR",
    "tuple": b")",
    "text": b"S'x'\n",
    "none": b"N",
}
STATES = {
    "nothing": b"N",
    "dict": b"}S'data'\nI1\ns",
    "dunder": b"}S'__class__'\nI1\ns",
    "number-keys": b"}I1\nI1\ns",
    "tensor-state": b"(" + STORAGE + b"I0\n(I9999999\nt(I1\ntt",
    "old-tensor-state": b"(I00\n(I1\ntN}t",
    "slots": b"(N}S'x'\nI1\nst",
    "list": b"(I1\nl",
    "text": b"S'x'\n",
}


def read(path: Path, content: bytes) -> Any:
    return read_pickle(zipped(path, b"\x80\x02" + content + b".", **{"data/0": bytes(8)}))


@pytest.mark.parametrize(("target", "state"), list(product(TARGETS, STATES)))
def test_state_for_anything(tmp_path: Path, target: str, state: str) -> None:
    content = TARGETS[target] + STATES[state] + b"b"
    if target in {"module", "size", "ordered"}:
        found = read(tmp_path / "x.pt", content)
        assert isinstance(found, StandIn | dict)
        assert not isinstance(found, StandIn) or all(isinstance(key, str) for key in found.attributes)
    else:
        with pytest.raises(CheckpointError, match=r"damaged \(attributes for a "):
            read(tmp_path / "x.pt", content)


@pytest.mark.parametrize(
    "items", [b"I1\na", b"I1\nI2\ns", b"(I1\nI2\ne", b"(I1\nI2\nu", b"(I1\n\x90", b"\x81", b"R", b")R"]
)
@pytest.mark.parametrize("target", TARGETS)
def test_items_for_anything(tmp_path: Path, target: str, items: bytes) -> None:
    try:
        read(tmp_path / "x.pt", TARGETS[target] + items)
    except CheckpointError as error:
        assert "damaged" in error.message  # noqa: PT017 - both outcomes are right, nothing else is


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "N",
        "(t",
        "S'x'\n",
        "{storage}",
        "{storage}N(t(t",
        "{storage}I0\nNN",
        "{storage}I0\n(I-1\nt(I1\nt",
        "{storage}I99999999999999999999\n(I1\nt(I1\nt",
        "{storage}I0\n(I4611686018427387904\nt(I0\nt",
        "{storage}I0\n(I2147483648\nI2147483648\nI2147483648\nt(I0\nI0\nI0\nt",
        "{storage}I0\n(F1.5\nt(I1\nt",
        "{storage}I0\n(I01\nt(I1\nt",
        "{storage}I0\n(N}t(I1\nt",
        "{storage}I0\n(I1\nt(t",
        "{storage}F0.0\n(I1\nt(I1\nt",
        "{storage}I3\n(I1\nt(I1\nt",
        "{storage}I0\n(I2\nt(I9223372036854775807\nt",
    ],
)
def test_arguments_of_tensors(tmp_path: Path, arguments: str) -> None:
    content = arguments.replace("{storage}", STORAGE.decode()).encode()
    with pytest.raises(CheckpointError, match="damaged"):
        read(tmp_path / "x.pt", b"ctorch._utils\n_rebuild_tensor_v2\n(" + content + b"tR")


@pytest.mark.parametrize(
    "persistent",
    [
        b"N",
        b"S'x'\n",
        b"(t",
        b"(S'storage'\nN S'0'\nNNt",
        b"(NNNNNt",
        b"(S'storage'\nctorch\nFloatStorage\nI0\nNNt",
        b"(S'storage'\nctorch\nSize\nS'0'\nNNt",
        b"(S'storage'\nctorch\nFloatStorage\nS'../../data.pkl'\nNNt",
    ],
)
def test_persistent_ids(tmp_path: Path, persistent: bytes) -> None:
    with pytest.raises(CheckpointError, match="damaged"):
        read(tmp_path / "x.pt", persistent + b"Q")


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


EXPLOSIONS = {
    # (t, t) of (t, t) of ...: a hash or a repr of it takes 2^60 steps
    "nested-key": b"}" + b")q\x00" + b"".join(b"h\x00h\x00\x86q\x00" for _ in range(60)) + b"Ns",
    "nested-member": b"\x8f(" + b")q\x00" + b"".join(b"h\x00h\x00\x86q\x00" for _ in range(60)) + b"\x90",
    "nested-name": b")q\x00" + b"".join(b"h\x00h\x00\x86q\x00" for _ in range(60)) + b"Q",
    "operations": b"]" * 3_000_000,
    "sets": b"\x8f" * 3_000_000,
    "long-list-copied": b"("
    + b"NN\x86" * 50_000
    + b"lq\x000"
    + b"ccollections\nOrderedDict\nq\x010"
    + b"h\x01h\x00\x85R" * 50_000,
    "set-copied": b"(" + b"I1\n" * 50_000 + b"lq\x000" + b"c__builtin__\nset\nq\x010" + b"h\x01h\x00\x85R" * 50_000,
    "state-copied": b"}q\x00("
    + b"".join(text(f"{i}") + b"N" for i in range(50_000))
    + b"u0"
    + b"cmodels.x\nY\nq\x010"
    + b"h\x01)\x81h\x00b" * 50_000,
    "long-name": text("models." + "a" * 1_000_000) + b"q\x00" + b"h\x00h\x00\x93" * 100_000,
    "long-integer": b"\x8b" + struct.pack("<i", 8_000_000) + b"\x7f" * 8_000_000,
    "long-text-integer": b"L" + b"9" * 8_000_000 + b"L\n",
    "many-names": b"".join(b"cmodels.x\nY%d\n" % i for i in range(1_100_000)),
    "deep-list": b"]" * 400_000 + b"a" * 399_999,
    "memo": b"Nr" + struct.pack("<I", 2**32 - 1),
}


@pytest.mark.parametrize("name", EXPLOSIONS)
def test_small_pickles_that_explode(tmp_path: Path, name: str) -> None:
    with bounded(seconds=15):
        try:
            read(tmp_path / "x.pt", EXPLOSIONS[name])
        except CheckpointError as error:
            assert "damaged" in error.message or "more than 16,777,216" in error.message  # noqa: PT017
            assert len(str(error)) < 2000  # noqa: PT017
        else:
            assert name in {"deep-list", "memo"}


def test_the_limit_on_operations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickle_machine, "OPERATIONS", 100)
    machine: dict[str, Any] = {"name": Name, "call": lambda *_: None, "stored": lambda _: None}
    assert PickleMachine(b"N" * 98 + b".", **machine).run() is None
    with pytest.raises(PickleError, match="more than 100 operations"):
        PickleMachine(b"N" * 100 + b".", **machine).run()


def small_model(path: Path, change: Callable[[Any], object] = lambda _: None) -> Path:
    write_official(path, P5, change=change)
    return path


def test_damage_anywhere_in_the_pickle(tmp_path: Path) -> None:
    """Seeded changes of a good file: it is read or refused; nothing else happens."""
    with zipfile.ZipFile(small_model(tmp_path / "good.pt")) as file:
        members = {member.filename: file.read(member) for member in file.infolist()}
    name = next(name for name in members if name.endswith("data.pkl"))
    good, chance = members.pop(name), random.Random(0)
    with zipfile.ZipFile(tmp_path / "rest.pt", "w") as file:
        for key, value in members.items():
            file.writestr(key, value)
    rest, refused = (tmp_path / "rest.pt").read_bytes(), 0
    for _ in range(100):
        (tmp_path / "x.pt").write_bytes(rest)
        with zipfile.ZipFile(tmp_path / "x.pt", "a") as file:
            file.writestr(name, mutated(good, chance))
        with bounded(seconds=10):
            try:
                official.read(tmp_path / "x.pt")
            except CheckpointError:
                refused += 1
    assert refused > 40


def test_damage_anywhere_in_the_container(tmp_path: Path) -> None:
    """The zip's own records, which lie before, between and after the parts."""
    torch.save({"a": torch.ones(3), "b": [torch.zeros(2)]}, tmp_path / "good.pt")
    good, chance, refused = (tmp_path / "good.pt").read_bytes(), random.Random(2), 0
    records = [match.start() for match in re.finditer(b"PK", good)]
    for _ in range(600):
        changed = bytearray(good)
        for _ in range(chance.randint(1, 3)):
            at = chance.choice(records) + chance.randrange(46)
            changed[at : at + 1] = chance.choice([bytes([chance.randrange(256)]), b"", b"\xff\xff\xff\xff", b"\0"])
        (tmp_path / "x.pt").write_bytes(changed)
        with bounded(seconds=5):
            try:
                read_pickle(tmp_path / "x.pt")
            except CheckpointError:
                refused += 1
    assert refused > 300


def test_parts_that_overlap(tmp_path: Path) -> None:
    """Many names for one piece of the file: each is read once, and together they are larger than the file."""
    (tmp_path / "x.pt").write_bytes(b"")
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as file:
        file.writestr("archive/data.pkl", b"\x80\x02N.")
        file.writestr("archive/data/0", bytes(1_000_000))
        for index in range(1, 500):
            twin = copy.copy(file.getinfo("archive/data/0"))
            twin.filename = f"archive/data/{index}"
            file.filelist.append(twin)
    with bounded(seconds=5), pytest.raises(CheckpointError, match="claims 500,000,004 bytes of content in a file of"):
        read_pickle(tmp_path / "x.pt")


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Change up to three places: a byte, a number, a piece that is doubled or missing."""
    changed = bytearray(content)
    for _ in range(chance.randint(1, 3)):
        at, length = chance.randrange(len(changed)), chance.randint(1, 40)
        piece = changed[at : at + length]
        changed[at : at + length] = chance.choice(
            [
                bytes([chance.randrange(256)]) + piece[1:],
                b"",
                piece * 2,
                b"M\xff\xff",
                b"}",
                b"N",
                b"]",
                TARGETS["tensor"],
            ]
        )
    return bytes(changed)


def _shared_children(model: Any) -> None:
    """9 levels of 100 children that are all the same: 100^9 modules in a small file."""
    module: nn.Module = nn.Identity()
    for _ in range(9):
        outer = nn.Module()
        outer._modules = {str(index): module for index in range(100)}
        module = outer
    model.model[2].m = module


def _shared_storage(model: Any) -> None:
    """Every kernel is a view of one storage of the size of the largest."""
    storage = torch.zeros(4_000_000, dtype=torch.half)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.weight = nn.Parameter(storage.as_strided((2000, 1000, 1, 1), (1000, 1, 1, 1)))


def _state(**values: Any) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        for path, value in values.items():
            *way, last = path.split("__")
            target = model
            for step in way:
                target = (
                    target._modules.get(step) or getattr(target, step) if hasattr(target, "_modules") else target[step]
                )
            if isinstance(target, nn.Module):
                vars(target)[last] = value
            else:
                target[last] = value

    return change


WEIGHT = "model__0__conv___parameters__weight"
CHANGES: dict[str, Callable[[Any], None]] = {
    "shared-children": _shared_children,
    "shared-storage": _shared_storage,
    "many-entries": _state(model__0___modules={str(index): nn.Identity() for index in range(5000)}),
    "long-entry": _state(model__0___modules={"a" * 100_000: nn.Identity()}),
    "modules-list": _state(model__0___modules=[1]),
    "parameters-none": _state(model__0__conv___parameters=None),
    "odd-tensor-name": _state(model__0__conv___parameters={("a",): torch.ones(1)}),
    "scalar-weight": _state(**{WEIGHT: torch.tensor(1.0)}),
    "integer-weight": _state(**{WEIGHT: torch.ones(8, 3, 6, 6, dtype=torch.int32)}),
    "text-weight": _state(**{WEIGHT: "x"}),
    "empty-weight": _state(**{WEIGHT: torch.empty(0, 3, 6, 6)}),
    "nan-weight": _state(**{WEIGHT: torch.full((8, 3, 6, 6), float("nan"))}),
    "names-none": _state(names=None),
    "names-numbers": _state(names={0: True, 1: None, 2: 3}),
    "names-long": _state(names=["a" * 1_000_000] * 3),
    "names-many": _state(names=[""] * 300_000),
    "anchors-text": _state(model__24___buffers={"anchors": "x"}),
    "anchors-inf": _state(model__24___buffers={"anchors": torch.full((3, 3, 2), float("inf"))}),
    "anchors-nan": _state(model__24___buffers={"anchors": torch.full((3, 3, 2), float("nan"))}),
    "anchors-negative": _state(model__24___buffers={"anchors": -torch.ones(3, 3, 2)}),
    "anchors-many": _state(model__24___buffers={"anchors": torch.ones(3, 500, 2)}),
    "anchors-none": _state(model__24___buffers={"anchors": torch.ones(3, 0, 2)}),
    "anchors-integers": _state(model__24___buffers={"anchors": torch.ones(3, 3, 2, dtype=torch.int64)}),
    "anchors-huge-view": _state(model__24___buffers={"anchors": torch.ones(1).expand(3, 1 << 30, 2)}),
    "stride-inf": _state(model__24__stride=torch.full((3,), float("inf"))),
    "stride-none": _state(model__24__stride=None),
    "stride-huge-view": _state(model__24__stride=torch.ones(1).expand(1 << 33)),
    "levels": _state(model__24___modules__m=nn.ModuleList(nn.Identity() for _ in range(900))),
    "eps-tensor": _state(model__0__bn__eps=torch.ones(2)),
    "eps-module": _state(model__0__bn__eps=nn.Identity()),
    "route-tensor": _state(model__2__f=torch.ones(2)),
    "route-nested": _state(model__12__f=[[-1], [6]]),
    "no-activation": _state(model__0___modules__act=None),
}


@pytest.mark.parametrize("name", CHANGES)
def test_states_that_no_network_has(tmp_path: Path, name: str) -> None:
    path = small_model(tmp_path / "x.pt", CHANGES[name])
    with bounded(seconds=10), pytest.raises(CheckpointError) as caught:
        official.read(path)
    assert "x.pt" in caught.value.message


LIMITS = {
    "num_classes": [0, -1, 20_001, 300_000, 10**30, 1.5, True, "3", None],
    "channels": [[], [8] * 4, [10**9] * 5, [0] * 5, [-8] * 5, [8.0] * 5, ["8"] * 5, None],
    "repeats": [[], [10**9] * 4, [0] * 4, [1] * 5],
    "head_repeats": [0, 10**9, -1, None],
    "anchors": [
        [],
        [[]] * 3,
        [[1, 2]] * 2,
        [[1, 2]] * 9,
        [[1, 2, 3]] * 3,
        [[1, 2], [1, 2, 3, 4], [1, 2]],
        [[0, 1]] * 3,
        [[-1, 1]] * 3,
        [[1e308, 1]] * 3,
        [[1, 2] * 1000] * 3,
        "x",
        None,
    ],
    "pool_first": [1, "true", None],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in LIMITS.items() for value in values])
def test_numbers_in_safetensors(tmp_path: Path, key: str, value: Any) -> None:
    path = tmp_path / "x.safetensors"
    checkpoint.save(tiny_weights(), path)
    _edit(path, lambda content: content["model"].update({key: value}))
    with bounded(seconds=5), pytest.raises(CheckpointError, match=key):
        checkpoint.load(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"format": Infinity}', "damaged"),
        ("[" * 100_000, "damaged"),
        ('{"format": 1e999, "facts": {}}', "format"),
        ('{"format": [[[[[[[[1]]]]]]]]}', "format"),
        ('{"format": 1}', "facts: missing"),
        ('{"format": 1, "format": 1}', "occurs twice"),
        ('"' + "a" * 5_000_000 + '"', "5,000,002 characters"),
        ("1" * 100_000, "damaged"),
        ("", "damaged"),
    ],
)
def test_metadata_of_safetensors(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.ones(1)}, path, {"hookline": text})
    with bounded(seconds=5), pytest.raises(CheckpointError, match=expected) as caught:
        checkpoint.load(path)
    assert len(caught.value.message) < 1000


def test_a_million_tensors_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    checkpoint.save(tiny_weights(), path)
    content = json.loads(_header(path)["__metadata__"]["hookline"])
    save_file({str(index): torch.empty(0) for index in range(20_000)}, path, {"hookline": json.dumps(content)})
    with bounded(seconds=5), pytest.raises(CheckpointError, match="not the weights of a plain YOLOv5"):
        checkpoint.load(path)


@pytest.mark.parametrize("dtype", [torch.int8, torch.bool, torch.float8_e4m3fn, torch.complex64])
def test_weights_of_other_types(tmp_path: Path, dtype: torch.dtype) -> None:
    weights = tiny_weights()
    path = tmp_path / "x.safetensors"
    checkpoint.save(weights, path)
    metadata = _header(path)["__metadata__"]
    save_file({**weights.state, "stem.bn.bias": weights.state["stem.bn.bias"].to(dtype)}, path, metadata)
    with pytest.raises(CheckpointError, match=r"'stem.bn.bias' in .* is torch\..*, not floating-point"):
        checkpoint.load(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 8,
        b"\xff" * 8 + b"{}",
        struct.pack("<Q", 2**63),
        struct.pack("<Q", 2**31) + b"{}",
        struct.pack("<Q", 2) + b"{}",
        struct.pack("<Q", 9) + b'{"a":1}  ',
        struct.pack("<Q", 66) + b'{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":',
    ],
)
def test_headers_of_safetensors(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    with bounded(seconds=5), pytest.raises(CheckpointError):
        checkpoint.load(tmp_path / "x.safetensors")


def _header(path: Path) -> Any:
    with path.open("rb") as file:
        return json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))


def _edit(path: Path, change: Callable[[Any], object]) -> None:
    metadata = json.loads(_header(path)["__metadata__"]["hookline"])
    change(metadata)
    save_file(dict(tiny_weights().state), path, {"hookline": json.dumps(metadata)})
