from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

from core.errors import HooklineError
from core.ranks import Ranks
from core.training import STATE
from stages.train.folder import FINISHED, TrainingFolder

ID = "0f" * 8
"""Name of a folder, as :func:`stages.train.training.identity` gives it."""


@pytest.fixture
def notes() -> list[str]:
    return []


def begun(path: Path, notes: list[str], *, resume: bool = False, leader: bool = True) -> bool:
    return TrainingFolder(path / ID).prepare(resume=resume, leader=leader, note=notes.append)


def leave_state(path: Path, text: str = "state") -> None:
    (path / ID / STATE).write_text(text)


def test_a_finished_training_is_set_aside_until_the_next_one(tmp_path: Path, notes: list[str]) -> None:
    assert not begun(tmp_path, notes)
    leave_state(tmp_path)
    (tmp_path / "done").mkdir()
    TrainingFolder(tmp_path / ID).hand_over(tmp_path / "done")
    assert not begun(tmp_path, notes)
    assert [item.name for item in (tmp_path / ID).iterdir()] == []
    assert "the result of the former run" in notes[0]
    assert (tmp_path / f"{ID}.former" / STATE).is_file()  # the store may have lost it: a kill before it came there
    assert not begun(tmp_path, notes)
    assert not (tmp_path / f"{ID}.former").exists()


def test_a_finished_training_can_be_handed_over_again(tmp_path: Path, notes: list[str]) -> None:
    begun(tmp_path, notes)
    leave_state(tmp_path)
    (tmp_path / "done").mkdir()
    TrainingFolder(tmp_path / ID).hand_over(tmp_path / "done")
    assert begun(tmp_path, notes, resume=True)


def test_an_interrupted_training_is_set_aside(tmp_path: Path, notes: list[str]) -> None:
    begun(tmp_path, notes)
    leave_state(tmp_path)
    assert not begun(tmp_path, notes)
    assert (tmp_path / f"{ID}.former" / STATE).is_file()
    assert "the state of the former run" in notes[0]


def test_nothing_to_resume_is_an_error_of_the_first_process_alone(tmp_path: Path, notes: list[str]) -> None:
    with pytest.raises(HooklineError, match="no training with these options"):
        begun(tmp_path, notes, resume=True)
    assert not begun(tmp_path, notes, resume=True, leader=False)


@pytest.mark.parametrize("leader", [True, False])
def test_an_epoch_that_was_never_finished_begins_anew(tmp_path: Path, notes: list[str], *, leader: bool) -> None:
    begun(tmp_path, notes)
    assert not begun(tmp_path, notes, resume=True, leader=leader)


def test_what_a_killed_process_was_about_to_write_goes_nowhere(tmp_path: Path, notes: list[str]) -> None:
    begun(tmp_path, notes)
    leave_state(tmp_path)
    (tmp_path / ID / f".{STATE}.7").write_text("half")
    (tmp_path / ID / "last.safetensors").write_text("weights")
    (tmp_path / "done").mkdir()
    TrainingFolder(tmp_path / ID).hand_over(tmp_path / "done")
    assert [item.name for item in (tmp_path / "done").iterdir()] == ["last.safetensors"]
    assert begun(tmp_path, notes, resume=True)
    assert not (tmp_path / ID / f".{STATE}.7").exists()


def finish(path: Path) -> None:
    """Leave a folder as a finished training does."""
    path.mkdir(exist_ok=True)
    (path / FINISHED).touch()


@contextmanager
def held_by_another_run(path: Path) -> Iterator[None]:
    with FileLock(f"{path}.lock"):
        yield


def test_a_finished_folder_is_swept_unless_its_lock_is_held(tmp_path: Path, notes: list[str]) -> None:
    held, free, former = "0123456789abcdef", "fedcba9876543210", "fedcba9876543210.former"
    for name in (held, free, former):
        finish(tmp_path / name)
    with held_by_another_run(tmp_path / held):
        begun(tmp_path, notes)
    assert {item.name for item in tmp_path.iterdir() if item.is_dir()} == {held, ID}
    begun(tmp_path, notes)
    assert {item.name for item in tmp_path.iterdir() if item.is_dir()} == {ID}


@pytest.mark.parametrize("name", ["run1", "run1.former", "0" * 15, "0" * 17, f"{'0' * 16}.old"])
def test_a_folder_that_no_training_made_is_not_swept(tmp_path: Path, notes: list[str], name: str) -> None:
    finish(tmp_path / name)
    begun(tmp_path, notes)
    assert (tmp_path / name / FINISHED).is_file()
    assert not (tmp_path / f"{name}.lock").exists()


def test_a_second_run_waits_says_so_and_finds_what_the_first_left(tmp_path: Path) -> None:
    first, second = TrainingFolder(tmp_path / ID), TrainingFolder(tmp_path / ID)
    told, found = threading.Event(), []

    def wait() -> None:
        with second.lock(lambda line: told.set() if "waiting" in line else None) as waited:
            found.append((waited, second.finished))

    with first.lock(pytest.fail) as waited:
        assert not waited
        thread = threading.Thread(target=wait)
        thread.start()
        assert told.wait(10)
        assert not found
        finish(tmp_path / ID)
    thread.join(10)
    assert found == [(True, True)]


def test_a_second_run_of_several_processes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.train.folder.RANKS", Ranks(rank=0, world=2))
    with (
        held_by_another_run(tmp_path / ID),
        pytest.raises(HooklineError, match="another run trains the same"),
        TrainingFolder(tmp_path / ID).lock(pytest.fail),
    ):
        pass


def test_processes_after_the_first_do_not_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.train.folder.RANKS", Ranks(rank=1, world=2))
    with held_by_another_run(tmp_path / ID), TrainingFolder(tmp_path / ID).lock(pytest.fail) as waited:
        assert not waited
