from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import HooklineError
from core.run_directory import RESERVE, is_new, remove, run_directory, unfinished


def test_a_second_run_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    with run_directory(tmp_path):
        unfinished(tmp_path / "evaluate").mkdir()
        with pytest.raises(HooklineError, match="another run is working in"), run_directory(tmp_path):
            pytest.fail("two runs in one directory")
        assert unfinished(tmp_path / "evaluate").is_dir()
        assert (tmp_path / RESERVE).is_file()
    with run_directory(tmp_path):
        pass


def test_what_a_killed_run_left_is_removed_and_results_stay(tmp_path: Path) -> None:
    unfinished(tmp_path / "evaluate").mkdir()
    (unfinished(tmp_path / "evaluate") / "x").write_text("half")
    (tmp_path / ".part-0123456789abcdef.json").write_text("half")
    (tmp_path / "evaluate").mkdir()
    (tmp_path / "evaluate" / "metrics.json").write_text("{}")
    (tmp_path / ".mine").write_text("the user's")
    with run_directory(tmp_path):
        assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith(".hookline")) == [
            ".mine",
            "evaluate",
        ]


def test_a_link_named_like_a_leftover_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "x").write_text("the user's")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".predict.unfinished").symlink_to(tmp_path / "victim")
    with run_directory(tmp_path / "run"):
        pass
    assert (tmp_path / "victim" / "x").read_text() == "the user's"


def test_a_directory_in_which_nothing_was_made_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_dir = tmp_path / "outputs" / "day" / "time"
    (run_dir / ".hydra").mkdir(parents=True)
    with run_directory(run_dir):
        assert is_new(run_dir)
        remove(run_dir)
    assert list(tmp_path.iterdir()) == []
    run_dir.mkdir(parents=True)
    (run_dir / "summary.json").write_text("{}")
    assert not is_new(run_dir)
