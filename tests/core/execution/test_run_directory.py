from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import HooklineError
from core.execution.run_directory import LOCK, RESERVE, is_new, run_directory, unfinished


def test_a_second_run_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    with run_directory(tmp_path):
        (working := unfinished(tmp_path / "evaluate")).mkdir()
        with pytest.raises(HooklineError, match="another run is using"), run_directory(tmp_path):
            pytest.fail("two runs in one directory")
        assert working.is_dir()
        assert (tmp_path / RESERVE).is_file()
    with run_directory(tmp_path):
        pass


def test_unfinished_files_of_a_killed_run_are_removed_and_results_stay(tmp_path: Path) -> None:
    (left := unfinished(tmp_path / "evaluate")).mkdir()
    (left / "x").write_text("half")
    (tmp_path / ".part-0123456789abcdef.json").write_text("half")
    (tmp_path / "evaluate").mkdir()
    (tmp_path / "evaluate" / "metrics.json").write_text("{}")
    mine = {".mine", ".part-mine", ".x.unfinished", ".part-0123456789abcde", ".evaluate.unfinished-mine"}
    for name in mine:
        (tmp_path / name).mkdir()
    with run_directory(tmp_path):
        left_over = {path.name for path in tmp_path.iterdir() if not path.name.startswith(".hookline")}
        assert left_over == {"evaluate", *mine}


def test_a_link_named_like_a_leftover_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "x").write_text("the user's")
    (tmp_path / "run").mkdir()
    unfinished(tmp_path / "run" / "predict").symlink_to(tmp_path / "victim")
    with run_directory(tmp_path / "run"):
        pass
    assert (tmp_path / "victim" / "x").read_text() == "the user's"


def test_only_directories_of_this_process_are_removed(tmp_path: Path) -> None:
    """In a new process, because the record of directories is global."""
    (tmp_path / "mine").mkdir()
    code = """
import sys
from pathlib import Path
from core.execution.run_directory import is_new, remember_directories, remove, run_directory
for name in ("outputs/day/time", "mine", "mine/run"):
    run_dir = Path(sys.argv[1], name)
    with remember_directories():
        run_dir.mkdir(parents=True, exist_ok=True)
        with run_directory(run_dir):
            (run_dir / ".hydra").mkdir()
            (run_dir / ".hydra" / "config.yaml").touch()
            remove(run_dir)
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert {path.name for path in (tmp_path / "mine").iterdir()} <= {LOCK}


def test_a_directory_is_new_until_it_has_results(tmp_path: Path) -> None:
    with run_directory(tmp_path):
        assert is_new(tmp_path)
        (tmp_path / "summary.json").write_text("{}")
        assert not is_new(tmp_path)
