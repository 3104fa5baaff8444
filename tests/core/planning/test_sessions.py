"""What steps of a plan build and open, and whether that suits the device of the run, reported before anything runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from core.artifacts import Checkpoint, Engine, Metrics, OnnxModel, QuantizedModel
from core.errors import HooklineError, PlanError, UnavailableError
from core.kinds.context import RunContext
from core.kinds.lifecycle import Plan
from core.kinds.lookup import Origin
from core.kinds.part import Availability
from core.kinds.processor import Processor
from core.kinds.runtime import Runtime
from core.kinds.stage import Known, Stage
from core.model_facts import Precision
from core.options.fields import chosen
from core.planning.planner import make_plan
from core.plugins.registry import Registry
from tests.support import grid_family, toys

ASKED: list[str] = []


@dataclass
class Build:
    backend: str = chosen("trt", kind="runtimes")


@dataclass
class Look(toys.Plain):
    processor: str = chosen("auto", kind="processors")


def build(config: Build, context: RunContext, model: QuantizedModel) -> Engine:
    raise NotImplementedError


def tune(config: toys.Plain, context: RunContext, engine: Engine) -> Engine:
    raise NotImplementedError


def look(config: Look, context: RunContext, model: Engine | OnnxModel | Checkpoint) -> Metrics:
    raise NotImplementedError


def publish(config: toys.Plain, context: RunContext, model: Engine) -> Metrics:
    raise NotImplementedError


def given(config: toys.Plain, context: RunContext) -> Engine | OnnxModel:
    raise NotImplementedError


STAGES = (
    *toys.STAGES[:-2],
    Stage(name="build", summary="toy", run=build),
    Stage(name="tune", summary="toy", run=tune, automatic=False),
    Stage(name="look", summary="toy", run=look, select=toys.select_model),
    Stage(name="publish", summary="toy", run=publish),
)
GIVEN = Stage(name="given", summary="toy", run=given, select=lambda config: [Engine])


def one_gpu(name: str) -> Any:
    def check(device: str) -> list[HooklineError]:
        ASKED.append(name)
        return [HooklineError(f"{name}: no GPU for {device}")] if device == "cuda:7" else []

    return check


def context(folder: Path, device: str, *stages: Stage, gone: str = "") -> RunContext:
    """Runtimes on the CPU, on the GPU of the machine, and for GPUs of others; processors on both.

    The runtime ``gone`` cannot be used.
    """
    ASKED.clear()
    registry, by, usable = Registry(), Origin("toys", "toys", "1"), Availability(True, "toy")
    for name, place, rank in (("onnxruntime", "cpu", 10), ("trt", "cuda", 20), ("rtx", "cuda", 5)):
        runtime = Runtime(
            name=name,
            summary="toy",
            load=lambda: None,
            available=lambda name=name: Availability(False, "no driver", "install it") if name == gone else usable,
            device=place,
            precisions=frozenset(Precision),
            rank=rank,
            builds_anywhere=name == "rtx",
            opens_onnx=name == "onnxruntime",
            check_device=one_gpu(name) if place == "cuda" else lambda: (),
        )
        registry.add("runtimes", runtime, by)
    for name, place in (("opencv", "cpu"), ("cupy", "cuda")):
        processor = Processor(
            name=name,
            summary="toy",
            load=lambda: None,
            available=lambda: usable,
            device=place,
            rank=20 if place == "cuda" else 10,
        )
        registry.add("processors", processor, by)
    registry.add(
        "models", grid_family.family(name="toy", summary="toy", load=lambda: None, check_device=one_gpu("family")), by
    )
    for stage in stages or STAGES:
        registry.add("stages", stage, by)
    return replace(toys.context(folder, registry), device=device)


def planned(folder: Path, asked: list[str], device: str, backend: str = "trt", model: str = "engine") -> Plan:
    configs = toys.configs(
        quantize=toys.Quantize(backend=backend),
        build=Build(backend),
        tune=toys.Plain(),
        look=Look(model),
        publish=toys.Plain(),
    )
    return make_plan(asked, configs, context(folder, device))


@pytest.mark.parametrize(
    ("asked", "device", "backend", "model"),
    [
        (["look"], "auto", "trt", "engine"),
        (["look"], "cuda:0", "trt", "engine"),
        (["look"], "cpu", "onnxruntime", "engine"),
        (["look"], "auto", "trt", "heads"),
        (["look"], "cuda:0", "trt", "checkpoint"),
        (["quantize"], "cpu", "trt", "engine"),
        (["quantize"], "cuda:7", "trt", "engine"),
        (["quantize"], "cuda:7", "onnxruntime", "engine"),
        (["build"], "cpu", "rtx", "engine"),
        (["build"], "cuda:7", "rtx", "engine"),
        (["publish"], "cuda:7", "rtx", "engine"),
    ],
)
def test_what_goes_together(tmp_path: Path, asked: list[str], device: str, backend: str, model: str) -> None:
    planned(tmp_path, asked, device, backend, model)


ON_CPU = "works with device=cpu only, but device=cuda:0 is set; set device=auto (each part then chooses a device)"
ON_GPU = "works with device=cuda only, but device=cpu is set; set device=auto (each part then chooses a device)"


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ((["look"], "cuda:0", "onnxruntime", "engine"), f"backend=onnxruntime {ON_CPU}, or backend=trt or rtx"),
        ((["build"], "cuda:0", "onnxruntime", "engine"), f"backend=onnxruntime {ON_CPU}, or backend=trt or rtx"),
        ((["look"], "cuda:0", "trt", "heads"), f"onnxruntime, which opens the OnnxModel for look, {ON_CPU}"),
        ((["look"], "cpu", "trt", "engine"), f"backend=trt {ON_GPU}, or backend=onnxruntime"),
        ((["build"], "cpu", "trt", "engine"), f"backend=trt {ON_GPU}, or backend=onnxruntime"),
        ((["publish"], "cpu", "trt", "engine"), f"backend=trt {ON_GPU}, or backend=onnxruntime"),
        ((["look"], "cpu", "rtx", "engine"), f"backend=rtx {ON_GPU}, or backend=onnxruntime"),
        ((["build"], "cuda:7", "trt", "engine"), "trt: no GPU for cuda:7"),
        ((["look"], "cuda:7", "rtx", "engine"), "rtx: no GPU for cuda:7"),
        ((["look"], "cuda:7", "trt", "checkpoint"), "family: no GPU for cuda:7"),
        ((["build", "tune", "look"], "cuda:7", "rtx", "engine"), "rtx: no GPU for cuda:7"),
    ],
)
def test_what_contradicts_is_reported_by_the_plan(
    tmp_path: Path, what: tuple[list[str], str, str, str], expected: str
) -> None:
    with pytest.raises(PlanError) as caught:
        planned(tmp_path, *what)
    assert [str(problem) for problem in caught.value.problems] == [expected]


def test_each_is_asked_once(tmp_path: Path) -> None:
    planned(tmp_path, ["build", "look", "look"], "cuda:0")
    assert ASKED == ["trt"]


@pytest.mark.parametrize(
    ("asked", "backend", "model", "processor"),
    [
        (["look"], "trt", "engine", "cupy"),
        (["look"], "trt", "heads", "opencv"),
        (["look"], "trt", "checkpoint", "opencv"),
        (["look"], "onnxruntime", "engine", "opencv"),
        (["build", "tune", "look"], "trt", "engine", "cupy"),
    ],
)
def test_the_processor_uses_the_device_of_the_session(
    tmp_path: Path, asked: list[str], backend: str, model: str, processor: str
) -> None:
    assert planned(tmp_path, asked, "auto", backend, model).steps[-1].config.processor == processor


def test_pictures_of_a_stage_that_opens_no_engine_stay_on_the_host(tmp_path: Path) -> None:
    """A training validates through its own framework."""

    def train(config: Look, context: RunContext) -> Checkpoint:
        raise NotImplementedError

    machine = context(tmp_path, "cuda:0", Stage(name="train", summary="toy", run=train))
    assert make_plan(["train"], {"train": Look()}, machine).steps[0].config.processor == "opencv"


@pytest.mark.parametrize(("backend", "processor"), [("onnxruntime", "opencv"), ("trt", "cupy"), ("auto", "cupy")])
def test_an_engine_that_was_given_is_taken_for_one_of_the_runtime_that_was_named(
    tmp_path: Path, backend: str, processor: str
) -> None:
    machine = context(tmp_path, "auto", GIVEN, *STAGES[-4:])
    configs = {"given": toys.Plain(), "build": Build(backend), "tune": toys.Plain(), "look": Look(), "publish": Look()}
    assert make_plan(["look"], configs, machine).steps[-1].config.processor == processor


def test_of_an_engine_of_which_nothing_is_known_only_its_file_tells_the_device(tmp_path: Path) -> None:
    machine = context(tmp_path, "cpu", GIVEN, *STAGES[-4:])
    configs = {"given": toys.Plain(), "build": Build("trt"), "tune": toys.Plain(), "look": Look(), "publish": Look()}
    assert [step.stage.name for step in make_plan(["look"], configs, machine).steps] == ["given", "look"]


def known_engine(runtime: str, kind: type[Any] = Engine) -> Stage:
    """A source whose sidecar names the runtime."""
    known = Known("'x.npu'", runtime=runtime)
    return replace(GIVEN, select=lambda config: [kind], known=lambda config, inputs, context: known)


def plan_given(machine: RunContext, asked: list[str]) -> Plan:
    plain = dict.fromkeys(("given", "tune", "publish"), toys.Plain())
    return make_plan(asked, {**plain, "build": Build("auto"), "look": Look()}, machine)


MISSING = "'x.npu' was built by the runtime 'npu', but no loaded plugin has it; install its plugin"


@pytest.mark.parametrize(
    ("runtime", "device", "gone", "expected"),
    [
        ("onnxruntime", "auto", "", ""),
        ("trt", "cuda:0", "", ""),
        ("trt", "auto", "rtx", ""),
        ("onnxruntime", "cuda:0", "", f"onnxruntime, which opens 'x.npu', {ON_CPU}"),
        ("trt", "cpu", "", f"trt, which opens 'x.npu', {ON_GPU}"),
        ("trt", "cuda:7", "", "trt: no GPU for cuda:7"),
        ("trt", "auto", "trt", "trt cannot be used here: no driver; install it"),
        ("npu", "auto", "", MISSING),
    ],
)
def test_an_engine_that_was_given_is_checked_by_the_plan(
    tmp_path: Path, runtime: str, device: str, gone: str, expected: str
) -> None:
    machine = context(tmp_path, device, known_engine(runtime), *STAGES[-4:], gone=gone)
    for asked in (["look"], ["tune", "look"]):
        problems: tuple[HooklineError, ...] = ()
        try:
            plan_given(machine, asked)
        except PlanError as error:
            problems = error.problems
        assert [str(problem) for problem in problems] == ([expected] if expected else [])


def test_an_engine_that_no_stage_opens_needs_no_runtime(tmp_path: Path) -> None:
    plan_given(context(tmp_path, "auto", known_engine("npu"), *STAGES[-4:]), ["publish"])


def test_the_processor_uses_the_device_of_the_session_of_an_engine_that_was_given(tmp_path: Path) -> None:
    machine = context(tmp_path, "auto", known_engine("onnxruntime"), *STAGES[-4:])
    assert plan_given(machine, ["look"]).steps[-1].config.processor == "opencv"  # auto alone takes trt, and cupy


@pytest.mark.parametrize(
    ("broken", "disabled", "expected"),
    [
        ((), ("npu",), f"{MISSING}; plugins.disable=[npu] may exclude it"),
        ((("x 1: no module", ()),), (), f"{MISSING}; it may belong to a broken plugin: x 1: no module"),
        (
            (("x 1: bad part", (("runtimes", "npu"),)),),
            ("other",),
            "'x.npu' was built by the runtime 'npu', and the plugin of this runtime is broken: x 1: bad part",
        ),
    ],
)
def test_why_the_runtime_of_an_engine_is_missing(
    tmp_path: Path, broken: tuple[Any, ...], disabled: tuple[str, ...], expected: str
) -> None:
    machine = context(tmp_path, "auto", known_engine("npu"), *STAGES[-4:])
    for line, names in broken:
        machine.registry.mark_broken(line, names)
    machine.registry.disabled = disabled
    whole = replace(machine, registry=machine.registry.without(()))  # the copy keeps the causes
    with pytest.raises(PlanError) as caught:
        plan_given(whole, ["look"])
    (problem,) = caught.value.problems
    assert str(problem) == expected
    assert isinstance(problem, UnavailableError)
