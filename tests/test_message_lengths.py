"""Messages that can be made mechanically: one line, with the value that was given, no longer than it must be."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from core.config.explain import explain, unknown_option
from core.errors import HooklineError, PlanError, unknown
from core.kinds.family_options import option_fields_of
from core.kinds.stage import Stage
from core.kinds.table import KINDS, RANKED
from core.options.ranges import enumeration_of
from core.options.top_level import TopLevelOptions
from core.planning.planner import make_plan
from tests.support.option_tools import with_option
from tests.support.runs import Program, plugins
from tests.support.yolov5_tools import tiny_checkpoint
from tests.test_option_ranges import PARTS, STAGES, options_of_stage

LONGEST = 240
"""Characters, without paths."""
REGISTRY = plugins().registry
NAMED = {
    "runtimes": ("build", "backend"),
    "processors": ("predict", "processor"),
    "calibrators": ("calibrate", "calibrator"),
    "grafts": ("build", "decode"),
    "trackers": ("train", "tracker"),
}
"""A stage and an option that take a part of a kind."""


def said(program: Program, *overrides: str) -> list[str]:
    """What ends a run before it begins."""
    try:
        request, context, _ = program.prepare(*overrides)
        make_plan(request.stages, request.configs, context, request.top_level)
    except Exception as error:
        mistake = error if isinstance(error, HooklineError) else explain(error, REGISTRY)
        if mistake is None:
            raise
        return [str(problem) for problem in getattr(mistake, "problems", (mistake,))]
    return []


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def check(line: str, *contained: str) -> None:
    assert "\n" not in line
    assert len(line) <= LONGEST, line
    for text in contained:
        assert text in line


def misspelt(name: str) -> str:
    """A name with two letters in the wrong order."""
    return f"{name[:-2]}{name[-1]}{name[-2]}" if name[-1] != name[-2] else f"{name}x"


@pytest.mark.parametrize("kind", NAMED)
def test_unknown_names_of_parts(kind: str, program: Program) -> None:
    stage, option = NAMED[kind]
    for name in REGISTRY.parts(kind):
        wrong = misspelt(name)
        lines = said(program, f"+stage={stage}", f"{option}={wrong}", "precision=int8")
        (line,) = (line for line in lines if line.startswith(f"unknown {KINDS[kind].noun}"))
        check(line, f"'{wrong}'", f"did you mean {name}", "possible: ", *REGISTRY.parts(kind))
        assert (", auto" in line or " auto," in line) is (kind in RANKED)


def test_unknown_stages(program: Program) -> None:
    for name in REGISTRY.parts("stages"):
        (line,) = said(program, f"+stage={misspelt(name)}")
        check(line, f"'{misspelt(name)}'", f"did you mean {name}")


def test_many_plugins_do_not_make_the_line_longer() -> None:
    error = unknown("stage", "x" * 5000, [f"stage_number_{number}" for number in range(500)], listed="--help lists all")
    check(str(error), "--help lists all")
    check(str(unknown("stage", "x", [f"stage_number_{number}" for number in range(500)])), "(500 in all)")


@pytest.mark.parametrize("stage", list(REGISTRY.all(Stage).values()), ids=lambda stage: stage.name)
def test_unknown_options_of_stages(stage: Any, program: Program) -> None:
    names = [item.name for _, item in option_fields_of(stage.signature.config, REGISTRY)]
    first = f"{stage.name}.{misspelt(names[0])}"
    (line,) = said(program, f"{first}=1")
    check(line, f"'{first}'", f"did you mean {stage.name}.", f"`+stage={stage.name} --help`")
    for name in names:
        check(str(unknown_option(f"{stage.name}.{misspelt(name)}", REGISTRY)), f"{stage.name}.{name}")
        check(str(unknown_option(f"{stage.name}.{'x' * 999}", REGISTRY)))


def test_unknown_options_elsewhere() -> None:
    for name in TopLevelOptions.__dataclass_fields__:
        check(str(unknown_option(misspelt(name), REGISTRY)), f"'{misspelt(name)}'")
    for kind in KINDS:
        for name, part in REGISTRY.parts(kind).items() if kind != "stages" else ():
            for item in fields(part.options):
                option = f"{kind}.{name}.{misspelt(item.name)}"
                check(str(unknown_option(option, REGISTRY)), f"'{option}'", item.name)


@pytest.mark.parametrize("stage", list(REGISTRY.all(Stage).values()), ids=lambda stage: stage.name)
def test_unknown_values_of_enumerations(stage: Any, program: Program) -> None:
    for declared, item in option_fields_of(stage.signature.config, REGISTRY):
        hints = get_type_hints(declared)
        members = enumeration_of(hints[item.name])
        if members and not item.metadata.get("follows"):
            value = misspelt(str(members[-1].value))
            given = f"[{value}]" if "list" in str(hints[item.name]) else value
            (line,) = said(program, f"{stage.name}.{item.name}={given}")
            check(line, f"unknown value of {stage.name}.{item.name} '{value}'", "did you mean ")
            check(line, *(str(member.value) for member in members))


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("predict.confidence=0.3", "unknown option 'predict.confidence'; did you mean predict.conf or "),
        ("confidence=0.3", "unknown option 'confidence'; did you mean conf?"),
        ("precision=int9", "unknown value of precision 'int9'; did you mean int8? possible: fp16, fp32, int8"),
        ("conf=abc", "conf=abc is not a number; possible: 0 to 1"),
        ("train.epochs=two", "train.epochs=two is not a whole number; possible: 1 or more"),
        ("train.rect=treu", "unknown value of train.rect 'treu'; did you mean true? possible: false, true"),
        ("runtimes.onnxruntime.optimisation=al", "did you mean all? possible: all, extended, none"),
        ("device=gpu", "unknown device 'gpu'; did you mean cuda? possible: auto, cpu, cuda, cuda:N"),
        ("device=cudaa", "unknown device 'cudaa'; did you mean cuda?"),
    ],
)
def test_values_of_the_wrong_type(given: str, line: str, program: Program) -> None:
    found, *_ = said(program, given, "+stage=toy")
    check(found, line)


@pytest.mark.parametrize("device", ["cuda", "cuda:7"])
@pytest.mark.parametrize("stage", ["build", "predict", "train"])
@pytest.mark.parametrize("backend", ["auto", "tensorrt", "tensorrt_rtx"])
def test_a_gpu_that_is_not_there(
    device: str, stage: str, backend: str, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    weights = program.folder / "tiny.safetensors"
    tiny_checkpoint(weights)
    for processor in ("auto", "cupy"):
        lines = said(
            program, f"+stage={stage}", f"device={device}", f"backend={backend}", f"processor={processor}",
            f"weights={weights}", f"source={program.folder}", "model=yolov5n",
        )  # fmt: skip
        for line in lines:
            check(line.replace(str(program.folder), ""))
        about = [line for line in lines if "device=" in line or "GPU" in line or "cannot be used" in line]
        assert about or (stage, backend) == ("build", "tensorrt_rtx")


def test_options_out_of_range(tmp_path: Path) -> None:
    request, context, _ = Program(tmp_path).prepare("+stage=toy", "device=cpu")
    options = [option for stage in STAGES for option in options_of_stage(stage)]
    for option in [*options, *PARTS]:
        kind, _, name = option.owner.partition(".")
        for value in option.outside:
            try:
                if name:
                    changed = {(kind, name): replace(request.options[kind, name], **{option.name: value})}
                    given = {**request.options, **changed}
                    here = replace(context, options=lambda kind, name, given=given: given[kind, name])
                    make_plan(["toy"], request.configs, here)
                else:
                    config = with_option(request.configs[option.owner], option.name, value)
                    make_plan([option.owner], {**request.configs, option.owner: config}, context)
            except PlanError as error:
                about = [str(problem) for problem in error.problems if str(option) in str(problem)]
                assert about, f"{option}={value}"
                for line in about:
                    check(line, f"{option}=")
            else:
                pytest.fail(f"{option}={value} was accepted")
