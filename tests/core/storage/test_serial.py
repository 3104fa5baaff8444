"""Artifacts are unchanged after encoding to JSON and decoding."""

from __future__ import annotations

import functools
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.artifacts import Engine, Metrics, Provenance
from core.model_facts import DECODED, InputContract, ModelFacts, Precision
from core.storage.serial import DecodeError, decode, digest, encode, json_text, parse

ENGINE = Engine(
    path=Path("/x/y.onnx"),
    sha256="ab",
    provenance=Provenance("build", "hookline 1", "key", {"model": "cd"}),
    notes=("mind",),
    facts=ModelFacts("yolov5", "yolov5n", ("a", "ü"), (8, 16), {"anchors": [[1.0, 2.0], [3.0, 4.0]]}),
    contract=InputContract(1, 64, 96, ("batch",)),
    layout=DECODED,
    precision=Precision.int8,
    runtime="onnxruntime",
    score_threshold=0.25,
    machine={"cpu": "avx2"},
)


def test_round_trip() -> None:
    assert decode(Engine, encode(ENGINE)) == ENGINE


@pytest.mark.parametrize(
    ("edits", "problem"),
    [
        ({"contract.height": "640"}, "contract.height: expected a whole number, got '640'"),
        ({"contract.height": 640.0}, r"contract.height: expected a whole number, got 640\.0"),
        ({"contract.height": True}, "contract.height: expected a whole number, got True"),
        ({"contract.scale": False}, "contract.scale: expected a number, got False"),
        ({"contract.scale": math.inf}, "contract.scale: expected a finite number, got inf"),
        ({"contract.scale": 10**400}, "contract.scale: expected a finite number, got <integer of 1329 bits>"),
        ({"facts.names": "person"}, "facts.names: expected a list, got 'person'"),
        ({"facts.names": ["a", 1]}, r"facts.names\[1\]: expected a string, got 1"),
        ({"facts.strides": [8, None]}, r"facts.strides\[1\]: expected a whole number, got None"),
        ({"facts.head": [8]}, r"facts.head: expected an object, got \[8\]"),
        ({"facts": []}, r"facts: expected an object, got \[\]"),
        ({"precision": "int4"}, "precision: expected one of fp32, fp16, int8, got 'int4'"),
        ({"precision": ["int8"]}, "precision: expected one of"),
        ({"machine": {"cpu": 1}}, "machine.cpu: expected a string, got 1"),
        ({"path": ""}, "path: expected a path, got ''"),
        ({"path": "a\0b"}, "path: expected a path"),
        ({"provenance": 1}, "provenance: expected an object, got 1"),
        ({"added": 1}, "added: unknown key"),
        ({"facts.added": 1}, "facts.added: unknown key"),
        ({"notes": "x" * 99}, "notes: expected a list, got 'x{9}"),
    ],
)
def test_wrong_values_are_refused_with_their_path(edits: dict[str, Any], problem: str) -> None:
    content = encode(ENGINE)
    for place, value in edits.items():
        *above, key = place.split(".")
        functools.reduce(dict.__getitem__, above, content)[key] = value
    with pytest.raises(DecodeError, match=f"^{problem}"):
        decode(Engine, content)


def test_missing_keys_are_refused() -> None:
    content = encode(ENGINE)
    del content["contract"]["pad_value"]
    with pytest.raises(DecodeError, match=r"^contract\.pad_value: missing"):
        decode(Engine, content)


def test_annotations() -> None:
    assert decode(tuple[int, str], [1, "a"]) == (1, "a")
    assert decode(list[float], [1, 2.5]) == [1.0, 2.5]
    assert decode(int | str, "a") == "a"
    assert decode(bool | None, None) is None
    assert decode(Any, {"a": [None]}) == {"a": [None]}
    with pytest.raises(DecodeError, match="expected 2 items, got 1"):
        decode(tuple[int, str], [1])
    with pytest.raises(DecodeError, match=r"^x\[0\]: expected a whole number, got None"):
        decode(list[int], [None], "x")


@dataclass(frozen=True)
class Boxes:
    sides: tuple[tuple[float, ...], ...]
    strides: tuple[int, ...]


def test_whole_numbers_in_fields_of_floats_are_written_as_floats() -> None:
    whole, same = Boxes(((10, 13), (16.0, 30)), (8, 16)), Boxes(((10.0, 13.0), (16.0, 30.0)), (8, 16))
    assert json.dumps(encode(whole)) == json.dumps(encode(same))
    assert digest(whole) == digest(same)
    assert encode(whole)["strides"] == [8, 16]
    assert json.dumps(encode(Metrics(path=Path("x"), values={"a": 1}))) == json.dumps(
        encode(Metrics(path=Path("x"), values={"a": 1.0}))
    )


@pytest.mark.parametrize(
    "text", ["", "{", "NaN", "[Infinity]", '{"a": -Infinity}', '{"a": {"b": 1, "b": 2}}', "[" * 200_000, b"\xff\xff"]
)
def test_invalid_json(text: str | bytes) -> None:
    with pytest.raises(DecodeError, match=r".+"):
        parse(text)


def test_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": {"c", "d"}}) == digest({"b": {"d", "c"}, "a": 1})
    assert digest({"a": 1}) != digest({"a": 1.5})


def test_a_value_without_json_form_is_named() -> None:
    with pytest.raises(TypeError, match=r"object .* has no JSON form"):
        encode({"a": object()})


@pytest.mark.parametrize("name", ["caf\udce9.jpg", "\udcff\udcfe", "\ud800", "Größe", "plain"])
def test_json_is_utf8_for_any_file_name(name: str) -> None:
    text = json_text({"file": name, "other": "ü"}, 1)
    assert json.loads(text.encode()) == {"file": name, "other": "ü"}
    assert ("Größe" in text) is (name == "Größe")
