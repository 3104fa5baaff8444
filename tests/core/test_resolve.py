"""``auto`` for processors: on the device of the runtime."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from core.artifacts import Precision
from core.config import chosen
from core.context import RunContext
from core.errors import HooklineError
from core.parts import Availability, Processor, Runtime
from core.plan import make_plan
from core.registry import Origin, Registry
from core.resolve import named_runtime, resolve_parts
from core.stage import Stage
from tests.core import toys


@dataclass
class Options:
    processor: str = chosen("auto", kind="processors")


@dataclass
class BuildOptions:
    backend: str = chosen("tensorrt", kind="runtimes")


@dataclass
class EvaluateOptions(toys.Plain):
    processor: str = chosen("auto", kind="processors")


def context(folder: Path, *unusable: str, device: str = "auto") -> RunContext:
    """A machine with runtimes and processors on both devices, some of which cannot be used."""
    registry = Registry()
    for kind, descriptor, name, on, rank in (
        ("runtimes", Runtime, "onnxruntime", "cpu", 10),
        ("runtimes", Runtime, "tensorrt", "cuda", 20),
        ("processors", Processor, "opencv", "cpu", 10),
        ("processors", Processor, "cupy", "cuda", 20),
    ):
        state = Availability(name not in unusable, "toy")
        options: dict[str, Any] = {"precisions": frozenset(Precision)} if descriptor is Runtime else {}
        part = descriptor(
            name=name,
            summary="toy",
            load=lambda options: None,
            available=lambda state=state: state,
            device=on,
            rank=rank,
            **options,
        )
        registry.add(kind, part, Origin("toys", "toys", "1"))
    return replace(toys.context(folder, registry), device=device)


@pytest.mark.parametrize(
    ("runtime", "device", "unusable", "expected"),
    [
        ("auto", "auto", (), "cupy"),
        ("tensorrt", "auto", (), "cupy"),
        ("onnxruntime", "auto", (), "opencv"),
        ("auto", "auto", ("tensorrt",), "opencv"),
        ("auto", "auto", ("tensorrt", "onnxruntime"), "cupy"),
        ("no-such", "auto", ("cupy",), "opencv"),
        ("tensorrt", "auto", ("cupy",), "opencv"),
        ("onnxruntime", "auto", ("opencv",), "cupy"),
        ("tensorrt", "cpu", (), "opencv"),
        ("onnxruntime", "cuda:1", (), "cupy"),
    ],
)
def test_a_processor_works_where_the_runtime_does(tmp_path, runtime, device, unusable, expected):
    problems: list[HooklineError] = []
    choices: list[str] = []
    here = context(tmp_path, *unusable, device=device)
    found = resolve_parts(Options(), here, problems, choices, runtime=runtime)
    assert (found.processor, problems, choices) == (expected, [], [f"processor: {expected} (toy)"])


@pytest.mark.parametrize(("backend", "expected"), [("onnxruntime", "opencv"), ("tensorrt", "cupy")])
def test_a_plan_tells_its_runtime(tmp_path, backend, expected):
    here = context(tmp_path)
    for stage in toys.STAGES:
        here.registry.add("stages", stage, Origin("toys", "toys", "1"))
    quantize = toys.Quantize(backend=backend)
    plan = make_plan(["evaluate"], toys.configs(evaluate=EvaluateOptions(), quantize=quantize), here)
    assert plan.steps[-1].config.processor == expected


def test_no_processor_on_the_device_asked_for_is_told(tmp_path):
    problems: list[HooklineError] = []
    resolve_parts(Options(), context(tmp_path, "cupy", device="cuda"), problems, [])
    assert [str(problem) for problem in problems] == [
        "no processor can be used with device=cuda; registered: opencv (on cpu), cupy (on cuda)"
    ]


def test_the_runtime_is_the_one_that_the_stages_name():
    assert named_runtime([object(), Options(), BuildOptions()]) == "tensorrt"
    assert named_runtime([Options()]) == "auto"


def test_what_needs_a_gpu_and_cannot_be_used_points_at_doctor(tmp_path: Path) -> None:
    machine = context(tmp_path, "tensorrt", "onnxruntime")
    doctor = Stage(name="doctor", summary="toy", run=toys.weights)
    machine.registry.add("stages", doctor, Origin("toys", "toys", "1"))
    problems: list[HooklineError] = []
    resolve_parts(BuildOptions("tensorrt"), machine, problems, [])
    resolve_parts(BuildOptions("onnxruntime"), machine, problems, [])
    assert str(problems[0]).endswith("; +stage=doctor backend=tensorrt looks closer")
    assert "doctor" not in str(problems[1])
