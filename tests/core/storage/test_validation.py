from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.artifacts import Checkpoint
from core.model_facts import InputContract, ModelFacts
from core.storage.metadata import ModelMetadata
from core.storage.serial import DecodeError
from core.storage.validation import validate

FACTS = ModelFacts("yolov5", "yolov5n", ("person", "l'été"), (8, 16), {"anchors": [[10.0, 13.0], [30.0, 61.0]]})
CONTRACT = InputContract(1, 64, 96, dynamic=("batch", "height"))


def test_valid_facts() -> None:
    validate(FACTS)
    validate(replace(FACTS, head={}))  # a family without anchors
    validate(CONTRACT)
    validate(Checkpoint(path=Path("x"), sha256="0" * 64, facts=FACTS))


@pytest.mark.parametrize(
    "change",
    [
        {"names": ()},
        {"names": ("\ud800",)},
        {"names": ("a",) * 20_001},
        {"names": ("a" * 1001,)},
        {"strides": ()},
        {"strides": (16, 8)},
        {"strides": (8, 8)},
        {"strides": (0, 8)},
        {"strides": (8, 10**9)},
        {"head": {"anchors": [math.inf]}},
        {"head": {"anchors": object()}},
        {"head": {"anchors": [[[[[[[[[1]]]]]]]]]}},
    ],
)
def test_invalid_facts(change: dict[str, Any]) -> None:
    (field,) = change
    with pytest.raises(DecodeError, match=rf"^facts\.{field}: expected"):
        validate(Checkpoint(path=Path("x"), facts=replace(FACTS, **change)))


@pytest.mark.parametrize(
    "change",
    [
        {"batch": 0},
        {"batch": 32, "height": 4096, "width": 4096},
        {"height": -32},
        {"width": 65537},
        {"dynamic": ("depth",)},
        {"dynamic": ("batch", "batch")},
        {"name": ""},
        {"pad_value": 256},
        {"pad_value": -1},
        {"channels": "gbr"},
        {"padding": "left"},
        {"offset": -1e31},
        {"offset": math.nan},
        {"scale": 1e31},
        {"scale": 0.0},
        {"scale": math.inf},
    ],
)
def test_invalid_contracts(change: dict[str, Any]) -> None:
    field = next(iter(change))
    with pytest.raises(DecodeError, match=f"^{field}: expected"):
        validate(replace(CONTRACT, **change))


@pytest.mark.parametrize("layout", ["", "a b", "../heads", "x" * 65, "\n"])
def test_a_layout_is_a_name(layout: str) -> None:
    validate(ModelMetadata(FACTS, CONTRACT, "grid"))
    with pytest.raises(DecodeError, match=r"^layout: expected the name of a layout"):
        validate(ModelMetadata(FACTS, CONTRACT, layout))
