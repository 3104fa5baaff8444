"""Artifacts survive the way through JSON."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.artifacts import Engine, InputContract, Layout, ModelFacts, Precision, Provenance
from core.serial import decode, digest, encode

ENGINE = Engine(
    path=Path("/x/y.onnx"),
    sha256="ab",
    provenance=Provenance("build", "hookline 1", "key", {"model": "cd"}),
    notes=("mind",),
    facts=ModelFacts("yolov5", "yolov5n", ("a", "ü"), ((1.0, 2.0), (3.0, 4.0)), (8, 16)),
    contract=InputContract(1, 64, 96, ("batch",)),
    layout=Layout.decoded,
    precision=Precision.int8,
    runtime="onnxruntime",
    score_threshold=0.25,
    machine={"cpu": "avx2"},
)


def test_round_trip() -> None:
    assert decode(Engine, encode(ENGINE)) == ENGINE


def test_unknown_members_of_newer_files_are_left_out() -> None:
    assert decode(Engine, encode(ENGINE) | {"added_later": 1}) == ENGINE


def test_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": {"c", "d"}}) == digest({"b": {"d", "c"}, "a": 1})
    assert digest({"a": 1}) != digest({"a": 1.5})


def test_what_has_no_json_form_is_named() -> None:
    with pytest.raises(TypeError, match=r"object .* has no JSON form"):
        encode({"a": object()})
