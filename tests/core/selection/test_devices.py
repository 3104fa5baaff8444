"""The word behind ``device=``, and which parts it suits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.errors import HooklineError
from core.kinds.lookup import Origin
from core.kinds.part import Availability
from core.kinds.processor import Processor
from core.kinds.runtime import Runtime
from core.plugins.registry import Registry
from core.selection.devices import contradicts, family_problems, unknown_device
from tests.support import grid_family, toys


@pytest.mark.parametrize("word", ["auto", "cpu", "cuda", "cuda:0", "cuda:12"])
def test_words(word: str) -> None:
    assert unknown_device(word) is None


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("0", "cuda:0"),
        ("1", "cuda:1"),
        ("cuda3", "cuda:3"),
        ("gpu:2", "cuda:2"),
        ("gpu", "cuda"),
        ("GPU", "cuda"),
        ("cuda:x", "cuda"),
        ("cuda:", "cuda"),
        ("CUDA", "cuda"),
        ("CPU", "cpu"),
        ("cpu:0", "cpu"),
        ("aut", "auto"),
    ],
)
def test_the_nearest_word_is_reported(word: str, meant: str) -> None:
    message = f"unknown device '{word}'; did you mean {meant}? possible: auto, cpu, cuda, cuda:N"
    assert str(unknown_device(word)) == message


@pytest.mark.parametrize("word", ["", "mps", "xpu"])
def test_words_that_are_near_to_none(word: str) -> None:
    message = str(unknown_device(word))
    assert message.startswith(f"unknown device '{word}'; ")
    assert "cuda:N" in message


def described(kind: type[Any], device: str) -> Any:
    more: dict[str, Any] = {"precisions": frozenset()} if kind is Runtime else {}
    available = Availability(True, "toy")
    return kind(name="x", summary="x", load=lambda: None, available=lambda: available, device=device, **more)


@pytest.mark.parametrize(
    ("kind", "place", "device", "expected"),
    [
        (Runtime, "cpu", "auto", False),
        (Runtime, "cpu", "cpu", False),
        (Runtime, "cpu", "cuda:0", True),
        (Runtime, "cuda", "cpu", True),
        (Runtime, "cuda", "cuda", False),
        (Processor, "cpu", "cuda:0", False),
        (Processor, "cuda", "cuda:0", False),
        (Processor, "cuda", "cpu", True),
        (Processor, "cuda", "auto", False),
    ],
)
def test_contradictions(kind: type[Any], place: str, device: str, expected: bool) -> None:
    assert contradicts(described(kind, place), device) is expected


def test_what_names_no_device_contradicts_none() -> None:
    assert not contradicts(SimpleNamespace(name="x"), "cuda:0")


def test_families_are_reported_where_all_object(tmp_path: Path) -> None:
    registry = Registry()
    for name, problems in {"yolov5": [HooklineError("no GPU 7")], "other": []}.items():
        family = grid_family.family(name=name, summary="x", load=lambda: None, check_device=lambda p=problems: p)
        registry.add("models", family, Origin("toys", "toys", "1"))
    context = replace(toys.context(tmp_path, registry), device="cuda:7")
    assert family_problems(context) == []
    assert [str(problem) for problem in family_problems(context, "yolov5")] == ["no GPU 7"]
    assert family_problems(context, "other") == []
