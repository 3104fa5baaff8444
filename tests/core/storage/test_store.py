"""The store: entries are complete, damaged ones are made again, one run works per key."""

from __future__ import annotations

import errno
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.artifacts import Artifact, Checkpoint, Metrics, OnnxModel
from core.errors import HooklineError
from core.execution.observers import Observers
from core.execution.runner import run_plan
from core.files.regular_file import disk_errors
from core.kinds.context import RunContext
from core.kinds.lifecycle import Step
from core.planning.planner import make_plan
from core.plugins.hooks import Hooks
from core.plugins.hookspecs import hookimpl
from core.storage.sidecar import read_artifact
from core.storage.store import Store, identity
from tests.support import toys

WARNINGS: list[str] = []


def observers(*plugins: object) -> Observers:
    hooks = Hooks()
    for plugin in plugins:
        hooks.register(plugin)
    return Observers(hooks, WARNINGS.append)


def run(folder: Path, asked: list[str], *plugins: object, reuse: bool = True, **changes: object) -> list[Artifact]:
    toys.CALLS.clear()
    run_dir = folder / f"run{time.monotonic_ns()}"
    run_dir.mkdir(parents=True)
    context = toys.context(run_dir)
    plan = make_plan(asked, toys.configs(**changes), context)
    return run_plan(plan, context, Store(folder / "store"), observers(*plugins), reuse=reuse)


def test_second_run_reuses_everything(tmp_path: Path) -> None:
    first = run(tmp_path, ["build"])
    assert toys.CALLS == ["weights", "export", "quantize", "build"]
    second = run(tmp_path, ["build"])
    assert toys.CALLS == []
    assert second[-1].sha256 == first[-1].sha256
    assert second[-1].path != first[-1].path


def test_a_changed_option_reruns_the_dependent_stages(tmp_path: Path) -> None:
    run(tmp_path, ["build"])
    run(tmp_path, ["build"], export=toys.Plain("y"))
    assert toys.CALLS == ["export", "quantize", "build"]


def test_reuse_false_makes_everything_again(tmp_path: Path) -> None:
    run(tmp_path, ["build"])
    run(tmp_path, ["build"], reuse=False)
    assert toys.CALLS == ["weights", "export", "quantize", "build"]


def test_damaged_entry_is_made_again(tmp_path: Path) -> None:
    run(tmp_path, ["build"])
    (damaged,) = (tmp_path / "store" / "export").rglob("export.txt")
    damaged.write_text("garbage")
    run(tmp_path, ["build"])
    assert toys.CALLS == ["export"]


@contextmanager
def export_replaced(function: Callable[..., Artifact]) -> Iterator[None]:
    """Replace the function of the toy stage `export`, although the descriptor is frozen."""
    object.__setattr__(toys.STAGES[2], "run", function)
    try:
        yield
    finally:
        object.__setattr__(toys.STAGES[2], "run", toys.export)


def test_interrupted_stage_leaves_no_files(tmp_path: Path) -> None:
    def interrupted(config: toys.Plain, context: RunContext, checkpoint: Checkpoint) -> OnnxModel:
        (context.workdir / "half.txt").write_text("half")
        raise KeyboardInterrupt

    with export_replaced(interrupted), pytest.raises(KeyboardInterrupt):
        run(tmp_path, ["export"])
    assert not list(tmp_path.rglob("half.txt"))
    assert not (tmp_path / "store" / "export").exists()
    run(tmp_path, ["export"])
    assert toys.CALLS == ["export"]


@pytest.mark.parametrize("ending", ["", ".former"])
def test_directories_of_killed_processes_are_removed(tmp_path: Path, ending: str) -> None:
    left = tmp_path / "store" / "unfinished" / f"{uuid.uuid4().hex}{ending}"
    left.mkdir(parents=True)
    run(tmp_path, ["weights"])
    assert not left.exists()


@pytest.mark.parametrize("name", ["mine", "mine.former", "0" * 31, "0" * 33, f"{'0' * 32}.old", "A" * 32])
def test_files_of_others_are_not_removed(tmp_path: Path, name: str) -> None:
    """Any folder can be the store."""
    mine = tmp_path / "store" / "unfinished" / name / "notes.txt"
    mine.parent.mkdir(parents=True)
    mine.touch()
    run(tmp_path, ["weights"])
    assert mine.is_file()
    assert not (tmp_path / "store" / "locks" / f"{name.removesuffix('.former')}.work").exists()


def test_full_disk_is_one_line(tmp_path: Path) -> None:
    def full(config: toys.Plain, context: RunContext, checkpoint: Checkpoint) -> OnnxModel:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "model.onnx")

    message = "no space left on the disk at 'model.onnx'; free disk space or change "
    with export_replaced(full), pytest.raises(HooklineError, match=message):
        run(tmp_path, ["export"])


@pytest.mark.parametrize("error", [OSError(errno.EFBIG, "x", "m.onnx"), RuntimeError("I/O error: File too large (27)")])
def test_the_file_size_limit_of_the_shell_is_one_line(error: Exception) -> None:
    with pytest.raises(HooklineError, match="a file reached the file size limit"), disk_errors():
        raise error


@pytest.mark.parametrize(("number", "name"), [(errno.EACCES, "x"), (errno.EEXIST, "file")])
def test_missing_permissions_are_one_line(tmp_path: Path, number: int, name: str) -> None:
    """Also a file in place of a folder."""
    (tmp_path / "file").touch()
    message = rf"cannot read or write at '.*{name}' \({os.strerror(number)}\); free disk space or change "
    with pytest.raises(HooklineError, match=message), disk_errors():
        raise OSError(number, os.strerror(number), str(tmp_path / name))


def test_a_folder_that_is_made_twice_is_a_bug(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError), disk_errors():
        tmp_path.mkdir()


def test_second_run_waits_for_the_first(tmp_path: Path) -> None:
    store = Store(tmp_path)
    waited = threading.Event()
    order: list[str] = []

    def second() -> None:
        with store.lock("export", "key", waited.set):
            order.append("second")

    with store.lock("export", "key", lambda: pytest.fail("nobody holds it")):
        thread = threading.Thread(target=second)
        thread.start()
        assert waited.wait(5)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]


def test_sidecar_round_trip(tmp_path: Path) -> None:
    made = run(tmp_path, ["build"])[-1]
    read = read_artifact(made.path)
    assert read == made
    assert read is not None
    assert identity(read) == identity(made)
    assert read_artifact(tmp_path / "nothing.onnx") is None


def test_notes_are_inherited_by_later_artifacts(tmp_path: Path) -> None:
    assert run(tmp_path, ["sharpen", "build"])[-1].notes == ("sharpened",)


def test_visible_stages_write_into_the_run_directory(tmp_path: Path) -> None:
    made = run(tmp_path, ["evaluate"])[-1]
    assert isinstance(made, Metrics)
    assert made.path.parent.name == "evaluate"
    assert made.path.parent.parent.name.startswith("run")


class Recorder:
    """Implements every lifecycle hook that a plan triggers."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    @hookimpl
    def hookline_before_stage(self, step: Step) -> None:
        self.seen.append(f"before {step.stage.name}")

    @hookimpl
    def hookline_after_stage(self, step: Step, reused: bool) -> None:
        self.seen.append(f"after {step.stage.name} {reused}")


def test_lifecycle_hooks_and_their_order(tmp_path: Path) -> None:
    recorder = Recorder()
    run(tmp_path, ["export"], recorder)
    run(tmp_path, ["export"], recorder)
    assert recorder.seen == [
        "before weights", "after weights False", "before export", "after export False",
        "before weights", "after weights True", "before export", "after export True",
    ]  # fmt: skip


def test_directories_in_use_are_not_removed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store._workdir() as busy, Store(tmp_path)._workdir() as other:
        assert busy.is_dir()
        assert other.is_dir()
    assert list((tmp_path / "unfinished").iterdir()) == []


class Failing:
    """An observer with a bug."""

    @hookimpl
    def hookline_after_stage(self, step: Step) -> None:
        raise ZeroDivisionError(step.stage.name)


def test_a_failing_observer_is_named_and_has_no_effect(tmp_path: Path) -> None:
    WARNINGS.clear()
    recorder = Recorder()
    run(tmp_path, ["weights"], recorder, Failing())
    assert recorder.seen == ["before weights", "after weights False"]
    (warning,) = WARNINGS
    assert "failed in hookline_after_stage: ZeroDivisionError: weights" in warning


@pytest.mark.parametrize("damage", ["sidecar", "side file"])
def test_damaged_entry_of_any_kind_is_made_again(tmp_path: Path, damage: str) -> None:
    run(tmp_path, ["weights"])
    (file,) = (tmp_path / "store" / "weights").rglob("weights.txt")
    if damage == "sidecar":
        file.with_name("weights.txt.json").write_text("{")
    else:
        file.unlink()
    run(tmp_path, ["weights"])
    assert toys.CALLS == ["weights"]


def test_editing_the_results_of_a_run_does_not_change_the_store(tmp_path: Path) -> None:
    run(tmp_path, ["weights"])[0].path.write_text("edited")
    run(tmp_path, ["weights"])
    assert toys.CALLS == []


def test_an_unwritable_store_is_reported() -> None:
    with pytest.raises(
        HooklineError, match=r"cannot write to the store '/proc/nope' .*; choose another folder with store="
    ):
        Store(Path("/proc/nope"))
