"""The metadata of an ONNX file."""

from __future__ import annotations

import ast

import pytest

from core.errors import HooklineError
from core.model_facts import InputContract, ModelFacts
from core.storage.metadata import ModelMetadata, from_properties, parse_names, to_properties

FACTS = ModelFacts("yolov5", "yolov5n", ("person", "l'été"), (8, 16), {"anchors": [[10.0, 13.5], [30.0, 61.0]]})
METADATA = ModelMetadata(FACTS, InputContract(1, 64, 96, dynamic=("batch",)), "heads")


def test_round_trip() -> None:
    assert from_properties(to_properties(METADATA)) == METADATA


def test_stride_and_names_have_their_common_form() -> None:
    properties = to_properties(METADATA)
    assert int(properties["stride"]) == 16
    assert ast.literal_eval(properties["names"]) == {0: "person", 1: "l'été"}


def test_a_file_of_another_exporter() -> None:
    assert from_properties({"stride": "32"}) is None


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"facts": 1, "contract": {}, "layout": "heads"}'])
def test_damaged(text: str) -> None:
    with pytest.raises(HooklineError, match="the metadata 'hookline' of the model is damaged"):
        from_properties({"hookline": text})


@pytest.mark.parametrize("text", ["['a', 'b']", '["a", "b"]', "{0: 'a', 1: 'b'}", '{"1": "b", "0": "a"}', "('a', 'b')"])
def test_names(text: str) -> None:
    assert parse_names(text) == ("a", "b")


@pytest.mark.parametrize("text", ["[1000, 2.5]", "{0: 1000, 1: 2.5}"])
def test_names_that_are_numbers_become_text(text: str) -> None:
    assert parse_names(text) == ("1000", "2.5")


@pytest.mark.parametrize("text", ["", "a, b", "{1: 'a'}", "[None]", "[]", "3", "__import__('os')", "{'x': 'a'}"])
def test_invalid_names(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_names(text)
