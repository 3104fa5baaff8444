from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import HooklineError
from core.training import STATE
from stages.train.folder import TrainingFolder


@pytest.fixture
def notes() -> list[str]:
    return []


def begun(path: Path, notes: list[str], *, resume: bool = False, leader: bool = True) -> bool:
    return TrainingFolder(path / "id").prepare(resume=resume, leader=leader, note=notes.append)


def leave_state(path: Path, text: str = "state") -> None:
    (path / "id" / STATE).write_text(text)


def test_a_finished_training_begins_anew_without_a_former_one(tmp_path: Path, notes: list[str]) -> None:
    assert not begun(tmp_path, notes)
    leave_state(tmp_path)
    (tmp_path / "done").mkdir()
    TrainingFolder(tmp_path / "id").hand_over(tmp_path / "done")
    assert not begun(tmp_path, notes)
    assert [item.name for item in (tmp_path / "id").iterdir()] == []
    assert not notes


def test_a_finished_training_can_be_handed_over_again(tmp_path: Path, notes: list[str]) -> None:
    begun(tmp_path, notes)
    leave_state(tmp_path)
    (tmp_path / "done").mkdir()
    TrainingFolder(tmp_path / "id").hand_over(tmp_path / "done")
    assert begun(tmp_path, notes, resume=True)


def test_an_interrupted_training_is_set_aside(tmp_path: Path, notes: list[str]) -> None:
    begun(tmp_path, notes)
    leave_state(tmp_path)
    assert not begun(tmp_path, notes)
    assert (tmp_path / "id.former" / STATE).is_file()
    assert "resume=true goes on with it" in notes[0]


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
    (tmp_path / "id" / f".{STATE}.7").write_text("half")
    (tmp_path / "id" / "last.safetensors").write_text("weights")
    (tmp_path / "done").mkdir()
    TrainingFolder(tmp_path / "id").hand_over(tmp_path / "done")
    assert [item.name for item in (tmp_path / "done").iterdir()] == ["last.safetensors"]
    assert begun(tmp_path, notes, resume=True)
    assert not (tmp_path / "id" / f".{STATE}.7").exists()
