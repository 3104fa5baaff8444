"""The runner with stored incremental stages, supplements and reused measurements."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.artifacts import Artifact, Metrics, OnnxModel
from core.errors import HooklineError
from core.execution.runner import run_plan
from core.kinds.context import RunContext
from core.kinds.stage import Stage
from core.options.fields import presentation
from core.planning.planner import make_plan
from core.storage.incomplete import MARKER
from core.storage.sidecar import read_model, sidecar_path
from core.storage.store import Store
from tests.support import toys
from tests.support.stage_tools import Memory

STATE = ".state"


@dataclass
class Options:
    steps: int = 3
    fail: int = presentation(-1)
    charts: bool = presentation(default=False)


@dataclass
class Work:
    """The stage under test, and the folders of its calls."""

    folders: list[Path] = field(default_factory=list)

    def steps(self, config: Options, context: RunContext) -> Metrics:
        self.folders.append(context.workdir)
        state = context.workdir / STATE
        done = int(state.read_text()) if state.exists() else 0
        for number in range(done, config.steps):
            if number == config.fail:
                raise HooklineError("no power", "wait")
            (context.workdir / "result.txt").write_text(str(number + 1))
            state.write_text(str(number + 1))
            context.keep(Metrics(path=context.workdir / "result.txt", values={"steps": number + 1}))
        (context.workdir / "log").mkdir(exist_ok=True)
        (context.workdir / "log" / "events").write_text("x")
        return Metrics(path=context.workdir / "result.txt", values={"steps": config.steps})

    @staticmethod
    def supplement(config: Options, artifact: Artifact, context: RunContext) -> Callable[[Path], None] | None:
        if not config.charts or (artifact.path.parent / "chart.png").exists():
            return None
        context.note("draws")
        return lambda folder: (folder / "chart.png").write_bytes(b"chart") and None


@dataclass
class Program:
    """Runs the stage in directories below ``folder``."""

    folder: Path
    work: Work = field(default_factory=Work)
    memory: Memory = field(default_factory=Memory)
    measures: bool = False

    def run(self, name: str, *, resume: bool = False, **options: Any) -> Metrics:
        stage = Stage(
            name="steps",
            summary="toy",
            run=self.work.steps,
            incremental=True,
            resumable=True,
            supplement=Work.supplement,
            measures=self.measures,
        )
        run_dir = self.folder / name
        run_dir.mkdir(exist_ok=True)
        context = replace(
            toys.context(self.folder, toys.registry(stage)), run_dir=run_dir, workdir=run_dir, reporter=self.memory
        )
        plan = make_plan(["steps"], {"steps": Options(**options)}, context)
        observers: Any = SimpleNamespace(notify=lambda *_, **__: None)
        (made,) = run_plan(plan, context, Store(self.folder / "store"), observers, resume=resume)
        assert isinstance(made, Metrics)
        return made


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def names(folder: Path) -> set[str]:
    return {item.name for item in folder.iterdir()}


RESULT = {"result.txt", "result.txt.json", "log"}


def test_it_works_in_the_directory_of_the_run_and_is_copied_to_the_store(program: Program) -> None:
    made = program.run("one")
    assert program.work.folders == [program.folder / "one" / "steps"] == [made.path.parent]
    assert names(made.path.parent) == RESULT
    (entry,) = (program.folder / "store" / "steps").iterdir()
    assert names(entry) == RESULT
    assert read_model(made.path) == made
    again = program.run("two")
    assert len(program.work.folders) == 1  # reused
    assert names(again.path.parent) == RESULT


def test_finished_items_of_a_failed_stage_stay_and_are_resumed(program: Program) -> None:
    with pytest.raises(HooklineError, match="no power"):
        program.run("one", fail=2)
    folder = program.folder / "one" / "steps"
    assert (folder / "result.txt").read_text() == "2"
    marker = json.loads((folder / MARKER).read_text())
    assert (marker["reason"], marker["values"]) == ("no power; wait", {"steps": 2})
    assert not (program.folder / "store" / "steps").exists()
    made = program.run("one", resume=True)
    assert made.path.parent == folder
    assert names(folder) == RESULT


@pytest.mark.parametrize(("options", "resume"), [({"steps": 4}, True), ({}, False)])
def test_other_options_get_a_new_directory(program: Program, options: dict[str, int], resume: bool) -> None:
    with pytest.raises(HooklineError):
        program.run("one", fail=2)
    made = program.run("one", resume=resume, **options)
    assert made.path.parent == program.folder / "one" / "steps-2"
    assert names(program.folder / "one" / "steps") == {"result.txt", STATE, MARKER}


def test_the_directory_of_a_run_killed_after_the_copy_to_the_store_is_completed(program: Program) -> None:
    with pytest.raises(HooklineError):
        program.run("one", fail=2)
    folder = program.folder / "one" / "steps"
    marker = (folder / MARKER).read_text()
    program.run("one", resume=True)
    sidecar_path(folder / "result.txt").unlink()
    (folder / MARKER).write_text(marker)
    (folder / STATE).write_text("3")
    program.run("one")
    assert names(folder) == RESULT
    assert names(folder.parent) == {"steps"}


def test_an_interrupted_directory_with_other_content_is_not_completed(program: Program) -> None:
    with pytest.raises(HooklineError):
        program.run("one", fail=2)
    program.run("two")
    made = program.run("one")
    assert names(program.folder / "one" / "steps") == {"result.txt", STATE, MARKER}
    assert made.path.parent == program.folder / "one" / "steps-2"


def test_no_directory_stays_without_finished_items(program: Program) -> None:
    with pytest.raises(HooklineError):
        program.run("one", fail=0)
    assert names(program.folder / "one") == set()


def test_a_supplement_adds_missing_files_to_a_stored_result(program: Program) -> None:
    program.run("one")
    made = program.run("two", charts=True)
    assert program.memory.notes == ["draws"]
    assert names(made.path.parent) == {*RESULT, "chart.png"}
    assert len(program.work.folders) == 1
    program.run("three", charts=True)
    assert program.memory.notes == ["draws"]
    assert "chart.png" in names(program.run("four").path.parent)  # it does no harm
    (entry,) = (program.folder / "store" / "steps").iterdir()
    assert Store(program.folder / "store").find("steps", entry.name) is not None


def test_files_added_later_are_in_the_directory_of_a_repeated_run(program: Program) -> None:
    program.run("one")
    copied = program.run("two")
    assert program.run("two").path == copied.path
    made = program.run("two", charts=True)
    assert names(made.path.parent) == {*RESULT, "chart.png"}
    assert names(copied.path.parent) == RESULT


def test_times_of_an_earlier_run_are_reported_as_such(program: Program) -> None:
    program.measures = True
    program.run("one")
    assert program.memory.notes == []
    program.run("two")
    (note,) = program.memory.notes
    assert note.startswith("steps: reused; times were measured by an earlier run, 20")
    assert "reuse=false measures again" in note


def test_options_that_depend_on_the_inputs_are_settled_before_the_key(tmp_path: Path) -> None:
    """Two inputs for which equal options mean different things give two results; a repeated one is reused."""
    settled: list[str] = []
    observers: Any = SimpleNamespace(notify=lambda *_, **__: None)

    def settle(config: toys.Plain, inputs: Any) -> toys.Plain:
        return replace(config, text=f"for {inputs['model'].path.read_text()[-1]}")

    def sharpen(config: toys.Plain, context: RunContext, model: OnnxModel) -> Metrics:
        settled.append(config.text)
        (context.workdir / "m.json").write_text("{}")
        return Metrics(path=context.workdir / "m.json", values={})

    stages = [toys.STAGES[0], toys.STAGES[2], Stage(name="judge", summary="", run=sharpen, settle=settle)]
    for weights in ("a", "b", "b"):
        registry = toys.registry(*stages)
        context = toys.context(tmp_path, registry)
        configs = toys.configs(weights=toys.Plain(weights), export=toys.Plain(weights), judge=toys.Plain("auto"))
        plan = make_plan(["judge"], configs, context)
        run_plan(plan, context, Store(tmp_path / "store"), observers)
    assert settled == ["for a", "for b"]
