"""``auto`` for runtimes and processors: the best one for the device of the run and of the session."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from core.artifacts import Engine, Metrics
from core.errors import HooklineError
from core.kinds.context import RunContext
from core.kinds.lookup import HOST, Origin
from core.kinds.part import Availability
from core.kinds.processor import Processor
from core.kinds.runtime import Runtime
from core.kinds.stage import Stage
from core.model_facts import Precision
from core.options.fields import chosen
from core.planning.planner import make_plan
from core.planning.resolve import resolve_parts
from core.plugins.registry import Registry
from tests.support import toys


@dataclass
class Options:
    processor: str = chosen("auto", kind="processors")


@dataclass
class BuildOptions:
    backend: str = chosen("tensorrt", kind="runtimes")


@dataclass
class EvaluateOptions(toys.Plain):
    processor: str = chosen("auto", kind="processors")


@dataclass
class CalibrateOptions:
    runtime: str = chosen("auto", kind="runtimes", fact="records_activations")


def two_gpus(device: str) -> list[HooklineError]:
    return [HooklineError(f"no GPU for {device}", "possible: cuda:0, cuda:1")] if device == "cuda:7" else []


def context(folder: Path, *unusable: str, device: str = "auto") -> RunContext:
    """A machine with runtimes and processors on both devices, some of which cannot be used."""
    registry = Registry()
    for kind, descriptor, name, on, rank in (
        ("runtimes", Runtime, "onnxruntime", "cpu", 10),
        ("runtimes", Runtime, "tensorrt", "cuda", 20),
        ("processors", Processor, "opencv", "cpu", 10),
        ("processors", Processor, "cupy", "cuda", 20),
    ):
        state = Availability(True, "toy") if name not in unusable else Availability(False, "it is broken", "mend it")
        options: dict[str, Any] = {}
        if descriptor is Runtime:
            options = {"precisions": frozenset(Precision), "records_activations": name == "onnxruntime"}
        part = descriptor(
            name=name,
            summary="toy",
            load=lambda options: None,
            available=lambda state=state: state,
            device=on,
            rank=rank,
            check_device=two_gpus if on == "cuda" else lambda device: [],
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
        (HOST, "auto", (), "opencv"),
        ("auto", "auto", ("tensorrt",), "opencv"),
        ("auto", "auto", ("tensorrt", "onnxruntime"), "cupy"),
        ("no-such", "auto", ("cupy",), "opencv"),
        ("tensorrt", "auto", ("cupy",), "opencv"),
        ("onnxruntime", "auto", ("opencv",), "cupy"),
        ("tensorrt", "cpu", (), "opencv"),
        (HOST, "cuda:1", (), "opencv"),
        (HOST, "cuda:1", ("cupy",), "opencv"),
        (HOST, "cuda", ("opencv",), "cupy"),
        ("tensorrt", "cuda:1", (), "cupy"),
        ("tensorrt", "cuda:1", ("cupy",), "opencv"),
        ("tensorrt", "cuda:7", (), "opencv"),
    ],
)
def test_a_processor_works_where_the_session_does(tmp_path, runtime, device, unusable, expected):
    problems: list[HooklineError] = []
    choices: list[str] = []
    here = context(tmp_path, *unusable, device=device)
    found = resolve_parts(Options(), here, problems, choices, runtime=runtime)
    assert (found.processor, problems, choices) == (expected, [], [f"processor: {expected} (toy)"])


@pytest.mark.parametrize(
    ("device", "unusable", "expected"),
    [
        ("auto", (), "tensorrt"),
        ("auto", ("tensorrt",), "onnxruntime"),
        ("cpu", (), "onnxruntime"),
        ("cuda:1", (), "tensorrt"),
    ],
)
def test_the_best_runtime_for_the_device(tmp_path, device, unusable, expected):
    problems: list[HooklineError] = []
    found = resolve_parts(BuildOptions("auto"), context(tmp_path, *unusable, device=device), problems, [])
    assert (found.backend, problems) == (expected, [])


@pytest.mark.parametrize(("backend", "expected"), [("onnxruntime", "opencv"), ("tensorrt", "cupy")])
def test_a_plan_tells_whose_session_it_is(tmp_path, backend, expected):
    here = context(tmp_path)
    for stage in (*toys.STAGES[:-1], Stage(name="evaluate", summary="toy", run=evaluate)):
        here.registry.add("stages", stage, Origin("toys", "toys", "1"))
    quantize = toys.Quantize(backend=backend)
    plan = make_plan(["evaluate"], toys.configs(evaluate=EvaluateOptions(), quantize=quantize), here)
    assert plan.steps[-1].config.processor == expected


def evaluate(config: EvaluateOptions, context: RunContext, model: Engine) -> Metrics:
    raise NotImplementedError


NO_GPU = "no GPU for cuda:7"
GPUS = "possible: cuda:0, cuda:1"
HINT = "set device=auto (each part then chooses a device), or processor=opencv"


@pytest.mark.parametrize(
    ("config", "unusable", "device", "message"),
    [
        (
            Options(),
            ("cupy", "opencv"),
            "cuda",
            "no processor can be used with device=cuda (cupy: it is broken; opencv: it is broken); mend it",
        ),
        (
            BuildOptions("auto"),
            ("tensorrt",),
            "cuda:0",
            "no backend can be used with device=cuda:0 (tensorrt: it is broken); set device=auto, or mend it",
        ),
        (
            BuildOptions("auto"),
            (),
            "cuda:7",
            f"no backend can be used with device=cuda:7 (tensorrt: {NO_GPU}); set device=auto, or {GPUS}",
        ),
    ],
)
def test_where_none_can_be_used_each_is_reported_with_what_to_do(tmp_path, config, unusable, device, message):
    problems: list[HooklineError] = []
    resolve_parts(config, context(tmp_path, *unusable, device=device), problems, [])
    assert [str(problem) for problem in problems] == [message]


@pytest.mark.parametrize(
    ("processor", "device", "messages"),
    [
        ("opencv", "cuda:7", []),
        ("cupy", "cuda:1", []),
        ("cupy", "cuda:7", [f"{NO_GPU}; possible: cuda:0, cuda:1"]),
        (
            "cupy",
            "cpu",
            [f"processor=cupy works with device=cuda only, but device=cpu is set; {HINT}"],
        ),
    ],
)
def test_a_processor_that_was_named_fits_the_device(tmp_path, processor, device, messages):
    problems: list[HooklineError] = []
    resolve_parts(Options(processor), context(tmp_path, device=device), problems, [])
    assert [str(problem) for problem in problems] == messages


def test_what_needs_a_gpu_and_cannot_be_used_points_at_doctor(tmp_path: Path) -> None:
    machine = context(tmp_path, "tensorrt", "onnxruntime")
    doctor = Stage(name="doctor", summary="toy", run=toys.weights)
    machine.registry.add("stages", doctor, Origin("toys", "toys", "1"))
    problems: list[HooklineError] = []
    resolve_parts(BuildOptions("tensorrt"), machine, problems, [])
    resolve_parts(BuildOptions("onnxruntime"), machine, problems, [])
    assert str(problems[0]).endswith("; see +stage=doctor backend=tensorrt")
    assert "doctor" not in str(problems[1])


@pytest.mark.parametrize("backend", ["auto", "onnxruntime", "tensorrt"])
@pytest.mark.parametrize("device", ["auto", "cuda:0"])
def test_a_part_must_state_the_fact_that_a_stage_needs(tmp_path: Path, backend: str, device: str) -> None:
    """The only runtime with the ability is chosen even if it works on another device."""
    machine = replace(context(tmp_path, device=device), backend=backend)
    problems, choices = list[HooklineError](), list[str]()
    assert resolve_parts(CalibrateOptions(), machine, problems, choices).runtime == "onnxruntime"
    why = "the backend" if backend == "onnxruntime" else "toy"
    assert (problems, choices) == ([], [f"records activations: onnxruntime ({why})"])
    resolve_parts(CalibrateOptions("tensorrt"), machine, problems, choices)
    assert [str(problem) for problem in problems] == [
        "the backend 'tensorrt' cannot be used: a stage needs one that records activations; possible: auto, onnxruntime"
    ]
