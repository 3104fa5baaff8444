"""The plan refuses values out of range for every option of every stage and part, before a stage runs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pytest

from core.config.compose import Request
from core.errors import PlanError
from core.kinds.context import RunContext
from core.kinds.family_options import option_fields_of
from core.kinds.stage import Stage
from core.kinds.table import KINDS
from core.options.ranges import LARGEST_INTEGER, Range, ranges_of
from core.options.top_level import TopLevelOptions
from core.planning.planner import make_plan
from tests.support.dataset_tools import write_dataset, write_picture
from tests.support.media_tools import write_levels
from tests.support.option_tools import with_option
from tests.support.runs import Program, plugins
from tests.support.yolov5_tools import tiny_checkpoint


@dataclass(frozen=True)
class Option:
    """One option of a stage, of a part (``kind.name``), or of the top level (no owner)."""

    owner: str
    name: str
    config: type[Any]

    def __str__(self) -> str:
        return f"{self.owner}.{self.name}" if self.owner else self.name

    @property
    def declared(self) -> Range | None:
        return ranges_of(self.config).get(self.name)

    @property
    def outside(self) -> list[Any]:
        """Return values just outside the range, far outside, and values that are not numbers."""
        item = next(item for item in fields(self.config) if item.name == self.name)
        decimal = "float" in str(item.type) or "Float" in str(item.type) or "Fraction" in str(item.type)
        endless = [math.nan, math.inf, -math.inf] if decimal else []
        if self.declared is None:
            return endless
        step = 1e-6 if decimal else 1
        low = self.declared.low if self.declared.above else self.declared.low - step
        high = LARGEST_INTEGER if self.declared.high is None and not decimal else self.declared.high
        return [low, -(10**9), *endless, *([] if high is None else [high + step, 10**40])]

    @property
    def inside(self) -> list[Any]:
        """Return the limits of the range."""
        if self.declared is None:
            return []
        low, high = self.declared.low, self.declared.high
        edges = [low + 1e-6 if self.declared.above else low, *([] if high is None else [high])]
        return [*edges, *self.declared.words]


def options_of(owner: str, config: type[Any]) -> Iterator[Option]:
    """Return the options with a range, and those that only need to be finite."""
    found = (Option(owner, item.name, config) for item in fields(config))
    return (option for option in found if option.outside)


def options_of_stage(stage: Stage) -> Iterator[Option]:
    """Return the options of a stage, including those of model families."""
    declared = option_fields_of(stage.signature.config, plugins().registry)
    found = (Option(stage.name, item.name, config) for config, item in declared)
    return (option for option in found if option.outside)


STAGES = [stage for stage in plugins().registry.all(Stage).values() if list(options_of_stage(stage))]
PARTS = [
    option
    for kind in KINDS
    for name, part in plugins().registry.parts(kind).items()
    if kind != "stages"
    for option in options_of(f"{kind}.{name}", part.options)
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that the plans of the stages need."""
    folder = tmp_path_factory.mktemp("inputs")
    write_dataset(folder / "set", {split: {"a": [(0, 0.5, 0.5, 0.5, 0.5)]} for split in ("train", "val")})
    write_picture(folder / "images" / "a.png")
    write_levels(folder / "a.mp4", 2)
    tiny_checkpoint(folder / "tiny.safetensors", nc=2)
    return folder


def prepared(stage: str, folder: Path, work: Path) -> tuple[Request, RunContext]:
    """Return a valid request for a stage."""
    source = folder / ("a.mp4" if stage == "frames" else "images")
    request, context, _ = Program(work).prepare(
        f"+stage={stage}", f"data={folder}/set/data.yaml", f"weights={folder}/tiny.safetensors", f"source={source}",
        "imgsz=64", "backend=onnxruntime", "processor=opencv", "device=cpu",
    )  # fmt: skip
    return request, context


def said(request: Request, context: RunContext) -> list[str]:
    """Return the range errors of a plan; no stage may have started."""
    try:
        make_plan(request.stages, request.configs, context, request.top_level)
    except PlanError as error:
        assert not list(context.run_dir.iterdir())
        return [str(problem) for problem in error.problems if "is out of range" in str(problem)]
    return []


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_every_option_of_a_stage(stage: Any, folder: Path, tmp_path: Path) -> None:
    request, context = prepared(stage.name, folder, tmp_path)
    assert said(request, context) == []
    config = request.configs[stage.name]
    for option in options_of_stage(stage):
        for value in option.outside:
            changed = {**request.configs, stage.name: with_option(config, option.name, value)}
            lines = said(replace(request, configs=changed), context)
            assert any(line.startswith(f"{option}=") for line in lines), f"{option}={value} was accepted"
        for value in option.inside:
            changed = {**request.configs, stage.name: with_option(config, option.name, value)}
            assert said(replace(request, configs=changed), context) == []


@pytest.mark.parametrize("option", PARTS, ids=str)
def test_every_option_of_a_part(option: Option, folder: Path, tmp_path: Path) -> None:
    request, context = prepared("export", folder, tmp_path)
    kind, _, name = option.owner.partition(".")

    def given(value: Any) -> RunContext:
        changed = {(kind, name): replace(request.options[kind, name], **{option.name: value})}
        return replace(context, options=lambda kind, name: {**request.options, **changed}[kind, name])

    for value in option.outside:
        assert any(line.startswith(f"{option}=") for line in said(request, given(value))), f"{option}={value}"
    for value in option.inside:
        assert said(request, given(value)) == []


@pytest.mark.parametrize("option", list(options_of("", TopLevelOptions)), ids=str)
def test_every_option_at_the_top_level(option: Option, folder: Path, tmp_path: Path) -> None:
    request, context = prepared("export", folder, tmp_path)
    for value in option.outside:
        top_level = replace(request.top_level, **{option.name: value})
        assert any(line.startswith(f"{option}=") for line in said(replace(request, top_level=top_level), context))
    for value in option.inside:
        assert said(replace(request, top_level=replace(request.top_level, **{option.name: value})), context) == []


def test_one_line_for_an_option_that_several_stages_follow(folder: Path, tmp_path: Path) -> None:
    request, context, _ = Program(tmp_path).prepare(
        "+stage=[predict,evaluate]", "conf=nan", f"weights={folder}/tiny.safetensors", f"source={folder}/images",
        f"data={folder}/set/data.yaml", "processor=opencv", "device=cpu", "backend=onnxruntime",
    )  # fmt: skip
    assert said(request, context) == ["conf=nan is out of range; possible: 0 to 1"]


def test_options_of_stages_outside_the_plan_are_not_checked(folder: Path, tmp_path: Path) -> None:
    request, context, _ = Program(tmp_path).prepare(
        "+stage=export", "train.epochs=0", f"weights={folder}/tiny.safetensors", "device=cpu"
    )
    assert said(request, context) == []
    assert str(make_plan(request.stages, request.configs, context, request.top_level)) == "load → [export]"
