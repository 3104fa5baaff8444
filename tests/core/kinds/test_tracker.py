from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from core.artifacts import Checkpoint
from core.errors import HooklineError, PlanError
from core.kinds.lookup import Origin
from core.kinds.part import Availability
from core.kinds.stage import Stage
from core.kinds.tracker import RunInfo, Tracker
from core.options.fields import shared
from core.planning.keys import key_of
from core.planning.planner import make_plan
from tests.support import toys
from tests.support.stage_tools import Memory, make_context


@dataclass
class Recorder:
    """A tracker that records its calls and raises in the method ``breaks``."""

    breaks: str = ""
    error: Exception = field(default_factory=lambda: OSError(28, "No space left on device"))
    calls: list[str] = field(default_factory=list)

    def _note(self, name: str) -> None:
        self.calls.append(name)
        if name == self.breaks:
            raise self.error

    def start(self, run: RunInfo) -> None:
        self._note("start")

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        self._note("scalars")

    def image(self, name: str, path: Path, step: int) -> None:
        self._note("image")

    def close(self) -> None:
        self._note("close")


def part(name: str, recorder: Recorder, usable: bool = True) -> Tracker:
    state = Availability(usable, "the package x is not installed", "pip install x")
    return Tracker(name=name, summary="for tests", load=lambda: recorder, available=lambda: state)


def context_with(folder: Path, **recorders: Recorder) -> tuple[Any, Memory]:
    return make_context(folder, trackers=[part(name, recorder) for name, recorder in recorders.items()])


def make_run(folder: Path) -> RunInfo:
    return RunInfo("run", folder, {})


@pytest.mark.parametrize(
    ("names", "expected"), [(["a", "b"], "ab"), ("b", "b"), (None, ""), ([], ""), (["a", "a"], "a")]
)
def test_named_trackers_receive_all_calls(tmp_path: Path, names: Any, expected: str) -> None:
    recorders = {"a": Recorder(), "b": Recorder()}
    context, memory = context_with(tmp_path, **recorders)
    with context.trackers(names, make_run(tmp_path)) as trackers:
        trackers.scalars({"loss": 1.0}, 1)
        trackers.image("page", tmp_path / "page.png", 1)
    trackers.close()
    everything = ["start", "scalars", "image", "close"]
    assert {name: recorder.calls for name, recorder in recorders.items()} == {
        name: everything if name in expected else [] for name in recorders
    }
    assert memory.warnings == []


@pytest.mark.parametrize("breaks", ["scalars", "image", "close"])
def test_one_that_fails_is_reported_once_and_the_others_go_on(tmp_path: Path, breaks: str) -> None:
    bad, good = Recorder(breaks), Recorder()
    context, memory = context_with(tmp_path, bad=bad, good=good)
    with context.trackers(["bad", "good"], make_run(tmp_path)) as trackers:
        for epoch in (1, 2):
            trackers.scalars({}, epoch)
            trackers.image("page", tmp_path / "page.png", epoch)
    assert good.calls == ["start", *["scalars", "image"] * 2, "close"]
    assert bad.calls[-1] == breaks
    assert bad.calls.count(breaks) == 1
    (warning,) = memory.warnings
    assert warning.startswith("tracker 'bad' failed and is disabled, the training continues: OSError: [Errno 28]")


def test_one_that_cannot_start_stops_before_anything_is_lost(tmp_path: Path) -> None:
    good, bad = Recorder(), Recorder("start")
    context, _ = context_with(tmp_path, good=good, bad=bad)
    with pytest.raises(HooklineError, match=r"tracker 'bad' cannot start \(OSError: .*No space.*remove it"):
        context.trackers(["good", "bad"], make_run(tmp_path))
    assert good.calls == ["start", "close"]


def test_a_user_error_at_the_start_is_reported_unchanged(tmp_path: Path) -> None:
    bad = Recorder("start", HooklineError("no account", "log in"))
    context, _ = context_with(tmp_path, bad=bad)
    with pytest.raises(HooklineError, match=r"^no account; log in$"):
        context.trackers("bad", make_run(tmp_path))


@dataclass
class Recorded:
    """Options of a toy stage with trackers."""

    tracker: Any = shared("tracker", kind="trackers", presentation=True)


def record(config: Recorded, context: Any) -> Checkpoint:
    return Checkpoint(path=context.workdir / "x", facts=toys.FACTS)


RECORD = Stage(name="record", summary="toy", run=record)


def plan_of(folder: Path, names: Any) -> Any:
    parts = toys.registry(RECORD)
    for item in (part("a", Recorder()), part("gone", Recorder(), usable=False)):
        parts.add("trackers", item, Origin("toys", "toys", "1"))
    context = toys.context(folder, parts)
    return make_plan(["record"], {"record": Recorded(names)}, context), context


def test_trackers_are_checked_when_the_run_is_planned(tmp_path: Path) -> None:
    with pytest.raises(PlanError) as caught:
        plan_of(tmp_path, ["a", "bb", "gone"])
    first, second = map(str, caught.value.problems)
    assert first.startswith("unknown tracker 'bb'")
    assert second == "gone cannot be used here: the package x is not installed; pip install x"


@pytest.mark.parametrize("names", [["a"], "a", None, []])
def test_trackers_do_not_change_the_key(tmp_path: Path, names: Any) -> None:
    plan, context = plan_of(tmp_path, names)
    bare = replace(plan.steps[0], parts=())
    assert plan.steps[0] == bare
    other, _ = plan_of(tmp_path, ["a"])
    assert key_of(plan.steps[0], {}, context) == key_of(other.steps[0], {}, context)
