"""A run keeps the existing files in a folder that ``hydra.run.dir=`` names."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from core.errors import HooklineError
from core.execution.summary import check_replaced
from tests.support.commands import run_hookline
from tests.support.snapshots import changes, snapshot


def refused_run(work: Path, directory: str) -> subprocess.CompletedProcess[str]:
    """Run a plan that is refused."""
    words = ["+stage=predict", "source=absent.png", f"hydra.run.dir={directory}"]
    done = run_hookline(*words, cwd=work, HOOKLINE_HOME=str(work.parent / "home"))
    assert done.returncode == 2, done.stderr
    return done


def test_a_refused_run_keeps_the_working_directory(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    refused_run(work, ".")
    assert work.is_dir()


def test_a_refused_run_keeps_existing_folders(tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "mine" / "empty").mkdir(parents=True)
    refused_run(work, "mine/empty")
    assert (work / "mine" / "empty").is_dir()


def test_a_refused_run_keeps_the_files_of_another_hydra_program(tmp_path: Path) -> None:
    record = tmp_path / "work" / "theirs" / ".hydra" / "config.yaml"
    record.parent.mkdir(parents=True)
    record.write_text("theirs: 1\n")
    refused_run(tmp_path / "work", "theirs")
    assert record.is_file()


def test_a_run_removes_no_file_of_another_program(tmp_path: Path) -> None:
    folder = tmp_path / "work" / "spark"
    (folder / ".cache.unfinished").mkdir(parents=True)
    for name in ("part-00000", ".part-00000.crc", ".cache.unfinished/theirs"):
        (folder / name).write_text("theirs")
    before = snapshot(folder)
    refused_run(tmp_path / "work", "spark")
    found = [line for line in changes(before, snapshot(folder)) if "gone: " in line or "changed: '.cache" in line]
    assert not found


def test_a_fifo_in_place_of_a_summary_is_refused_and_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "summary.json")
    with pytest.raises(HooklineError, match="was not written by hookline"):
        check_replaced(tmp_path)


def test_a_run_replaces_no_status_of_another_program(tmp_path: Path) -> None:
    folder = tmp_path / "work" / "theirs"
    folder.mkdir(parents=True)
    (folder / "status.json").write_text('{"state": "theirs"}')
    done = run_hookline("+stage=toy", "toy.train=2", "toy.val=1", f"hydra.run.dir={folder}", cwd=tmp_path)
    assert done.returncode == 2
    assert "status.json' was not written by hookline, and the run would replace it" in done.stderr
    assert (folder / "status.json").read_text() == '{"state": "theirs"}'
