from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

from core.errors import HooklineError
from core.kinds.training import BEST, LAST, STATE
from core.process.environment import Ranks
from core.storage.incomplete import MARKER, IncompleteWork, mark
from stages.train.folder import TrainingFolder

RECORD = "0f0f.json"


@pytest.fixture
def notes() -> list[str]:
    return []


def folder_in(path: Path, run: str = "one") -> TrainingFolder:
    (path / run).mkdir(exist_ok=True)
    (path / "cache").mkdir(exist_ok=True)
    return TrainingFolder(path / run, path / "cache" / RECORD)


def begun(path: Path, notes: list[str], run: str = "one", *, resume: bool = False) -> TrainingFolder:
    """The folder of a run that has finished an epoch, unless the arguments differ."""
    folder = folder_in(path, run)
    folder.prepare(resume=resume, note=notes.append)
    return folder


def leave_epoch(folder: TrainingFolder, text: str = "state") -> None:
    folder.finish_epoch()
    for name in (BEST, LAST, STATE, MARKER):
        (folder.path / name).write_text(text)
    (folder.path / "tensorboard").mkdir(exist_ok=True)
    (folder.path / "tensorboard" / "events").write_text(text)


def contents(folder: TrainingFolder) -> set[str]:
    return {item.name for item in folder.path.iterdir()}


def test_a_training_is_resumed_where_it_lies(tmp_path: Path, notes: list[str]) -> None:
    leave_epoch(begun(tmp_path, notes))
    (tmp_path / "one" / f"{STATE}.7").write_text("half")
    folder = folder_in(tmp_path)
    assert folder.prepare(resume=True, note=notes.append)
    assert contents(folder) == {BEST, LAST, STATE, MARKER, "tensorboard"}
    assert notes == []


def test_a_training_is_resumed_in_another_directory(tmp_path: Path, notes: list[str]) -> None:
    leave_epoch(begun(tmp_path, notes))
    folder = folder_in(tmp_path, "two")
    assert folder.prepare(resume=True, note=notes.append)
    assert contents(folder) == {BEST, LAST, STATE, "tensorboard"}
    assert (tmp_path / "two" / "tensorboard" / "events").read_text() == "state"
    assert contents(folder_in(tmp_path, "one")) == {BEST, LAST, STATE, MARKER, "tensorboard"}
    assert "continuing the training in" in notes[0]
    assert folder_in(tmp_path, "three").previous == tmp_path / "two"


def test_a_copy_that_was_interrupted_is_no_state(
    tmp_path: Path, notes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_epoch(begun(tmp_path, notes))
    copy = shutil.copy2

    def killed(source: Path, target: Path) -> None:
        if Path(source).name == LAST:
            raise KeyboardInterrupt
        copy(source, target)

    monkeypatch.setattr("stages.train.folder.shutil.copy2", killed)
    with pytest.raises(KeyboardInterrupt):
        begun(tmp_path, notes, "two", resume=True)
    monkeypatch.undo()
    assert not (tmp_path / "two" / STATE).exists()
    assert folder_in(tmp_path).previous == tmp_path / "one"
    assert begun(tmp_path, notes, "two", resume=True).path == tmp_path / "two"


def test_an_interrupted_training_stays_where_it_is(tmp_path: Path, notes: list[str]) -> None:
    leave_epoch(begun(tmp_path, notes))
    second = begun(tmp_path, notes, "two")
    assert contents(second) == set()
    assert "starting again; the unfinished training in" in notes[0]
    assert (tmp_path / "one" / STATE).is_file()
    assert second.previous == tmp_path / "one"  # until the new one has finished an epoch
    leave_epoch(second)
    assert second.previous == tmp_path / "two"


def test_nothing_to_resume_is_an_error_of_the_first_process_alone(
    tmp_path: Path, notes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(HooklineError, match="no training with these options"):
        begun(tmp_path, notes, resume=True)
    monkeypatch.setattr("stages.train.folder.RANKS", Ranks(rank=1, world=2))
    assert not folder_in(tmp_path).prepare(resume=True, note=pytest.fail)


def test_a_directory_that_is_gone_is_named(tmp_path: Path, notes: list[str]) -> None:
    leave_epoch(begun(tmp_path, notes))
    shutil.rmtree(tmp_path / "one")
    with pytest.raises(HooklineError, match=r"one' of the interrupted training does not exist; restore"):
        begun(tmp_path, notes, "two", resume=True)


def test_a_directory_that_was_removed_before_its_first_epoch_begins_anew(tmp_path: Path, notes: list[str]) -> None:
    """A run that is interrupted before it has written anything removes its directory."""
    begun(tmp_path, notes)
    shutil.rmtree(tmp_path / "one")
    assert not folder_in(tmp_path, "two").prepare(resume=True, note=notes.append)
    assert notes == ["the interrupted run had not finished an epoch: starting again"]


def test_an_epoch_that_was_never_finished_begins_anew(tmp_path: Path, notes: list[str]) -> None:
    begun(tmp_path, notes)
    assert not folder_in(tmp_path).prepare(resume=True, note=notes.append)
    assert notes == ["the interrupted run had not finished an epoch: starting again"]


def test_a_process_after_the_first_reads_the_state_where_it_lies_and_changes_nothing(
    tmp_path: Path, notes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_epoch(begun(tmp_path, notes))
    monkeypatch.setattr("stages.train.folder.RANKS", Ranks(rank=1, world=2))
    folder = folder_in(tmp_path, "apart")
    assert folder.prepare(resume=True, note=pytest.fail)
    assert folder.path == tmp_path / "one"
    assert not list((tmp_path / "apart").iterdir())
    assert not folder_in(tmp_path, "apart").prepare(resume=False, note=pytest.fail)


def test_a_finished_training_is_taken_without_what_belongs_to_its_run(tmp_path: Path, notes: list[str]) -> None:
    first = begun(tmp_path, notes)
    leave_epoch(first)
    (first.path / f"{BEST}.json").write_text("sidecar")
    assert not folder_in(tmp_path, "two").finished
    first.finish()
    second = folder_in(tmp_path, "two")
    assert second.finished
    second.take(first.path)
    assert contents(second) == {BEST, LAST, "tensorboard"}
    shutil.rmtree(first.path)
    assert not folder_in(tmp_path, "two").finished


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"folder": 1, "resumable": true, "finished": true}', '{"folder": "x"}']
)
def test_a_damaged_record_is_none(tmp_path: Path, notes: list[str], text: str) -> None:
    folder = begun(tmp_path, notes)
    (tmp_path / "cache" / RECORD).write_text(text)
    assert folder.previous is None
    assert not folder.finished


def test_a_record_holds_any_path(tmp_path: Path, notes: list[str]) -> None:
    folder = begun(tmp_path, notes, "a'b\udcff")
    assert folder.previous == folder.path
    json.loads((tmp_path / "cache" / RECORD).read_text())


@contextmanager
def held_by_another_run(path: Path) -> Iterator[None]:
    (path / "cache").mkdir(exist_ok=True)
    with FileLock((path / "cache" / RECORD).with_suffix(".lock")):
        yield


def test_a_second_run_waits_says_so_and_finds_what_the_first_left(tmp_path: Path, notes: list[str]) -> None:
    first, second = folder_in(tmp_path), folder_in(tmp_path, "two")
    waiting, found = threading.Event(), []

    def wait() -> None:
        with second.lock(lambda line: waiting.set() if "waiting" in line else None) as waited:
            found.append((waited, second.finished))

    with first.lock(pytest.fail) as waited:
        assert not waited
        first.prepare(resume=False, note=notes.append)
        thread = threading.Thread(target=wait)
        thread.start()
        assert waiting.wait(10)
        assert not found
        leave_epoch(first)
        first.finish()
    thread.join(10)
    assert found == [(True, True)]


def test_a_second_run_of_several_processes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.train.folder.RANKS", Ranks(rank=0, world=2))
    with (
        held_by_another_run(tmp_path),
        pytest.raises(HooklineError, match="another run is training with the same options"),
        folder_in(tmp_path).lock(pytest.fail),
    ):
        pass


def test_processes_after_the_first_do_not_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.train.folder.RANKS", Ranks(rank=1, world=2))
    with held_by_another_run(tmp_path), folder_in(tmp_path).lock(pytest.fail) as waited:
        assert not waited


def test_the_state_of_another_training_in_this_run_is_named(tmp_path: Path) -> None:
    """Its record is not found where the options differ, or where an older hookline wrote the starting weights."""
    left = tmp_path / "run" / "train"
    left.mkdir(parents=True)
    (left / STATE).write_bytes(b"state")
    mark(left, IncompleteWork("train", "0" * 64, {}))
    folder = TrainingFolder(tmp_path / "run" / "train-2", tmp_path / "cache" / RECORD)
    folder.path.mkdir()
    mark(folder.path, IncompleteWork("train", "1" * 64, {}))  # as the runner does, so that it is the latest one
    with pytest.raises(HooklineError, match="no training with these options") as caught:
        folder.prepare(resume=True, note=print)
    assert f"the interrupted training in '{left}' has different ones" in str(caught.value)
    assert f"weights={left / LAST}" in str(caught.value)
