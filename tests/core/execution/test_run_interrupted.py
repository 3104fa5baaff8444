"""Interrupted, killed, resumed and concurrent runs of the command line."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from core.execution.outcome import RunOutcome
from tests.support.kitchen import Run, summary, wait_for


def test_json_of_a_run_that_is_interrupted_before_it_begins() -> None:
    outcome = RunOutcome()
    outcome.error = KeyboardInterrupt()
    (content,) = outcome.contents("python -m core.run +stage=raw")
    assert (content["status"], content["code"]) == ("interrupted", "interrupted")
    assert content["error"]


def test_interrupt(run: Run, tmp_path: Path) -> None:
    process = run("+stage=taste", "raw.seconds=30", start=True)
    deadline = time.monotonic() + 20
    while not list(tmp_path.rglob("raw.txt")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)  # type: ignore[attr-defined]
    _, errors = process.communicate(timeout=20)  # type: ignore[attr-defined]
    assert process.returncode == 130
    assert "to run again: python -m core.run +stage=taste" in errors
    assert "raw        interrupted" in errors
    assert "Traceback" not in errors
    assert "failed" not in errors
    content = summary(tmp_path)
    assert (content["status"], content["code"], content["stages"][0]["status"]) == 3 * ("interrupted",)  # type: ignore[index]
    assert not list(tmp_path.rglob("raw.txt"))
    assert not list(tmp_path.rglob("*.work"))


def test_an_incremental_stage_keeps_finished_items_and_is_resumed(run: Run, tmp_path: Path) -> None:
    result = run("+stage=items", "items.fail=2")
    assert result.returncode == 2
    content = summary(tmp_path)
    run_dir = Path(str(content["path"])).parent
    assert (run_dir / "items" / "items.txt").read_text() == "0\n1\n"
    assert json.loads((run_dir / "items" / "incomplete.json").read_text())["reason"] == "a worm; cut it out"
    (stage,) = content["stages"]  # type: ignore[misc]
    assert (stage["status"], content["metrics"]) == ("incomplete", {"items": {"items": 2}})  # type: ignore[has-type]
    command = f"+stage=items items.fail=2 hydra.run.dir={run_dir.relative_to(tmp_path)} resume=true"
    assert content["resume"] == f"python -m core.run {command}"
    assert f"to resume: python -m core.run {command}" in result.stderr
    again = run(*command.split())
    assert again.returncode == 0, again.stderr
    assert sorted(path.name for path in (run_dir / "items").iterdir()) == ["items.txt"]
    assert (run_dir / "items" / "items.txt").read_text() == "0\n1\n2\n3\n"


def test_other_options_do_not_resume_former_results(run: Run, tmp_path: Path) -> None:
    run("+stage=items", "items.fail=2", "hydra.run.dir=here")
    result = run("+stage=items", "items.fail=2", "items.count=9", "hydra.run.dir=here", "resume=true")
    assert result.returncode == 2
    assert "were made with items.count=4, not 9; resume with the options of that run" in result.stderr
    assert (tmp_path / "here" / "items" / "items.txt").read_text() == "0\n1\n"
    assert run("+stage=items", "hydra.run.dir=here").returncode == 0
    assert (tmp_path / "here" / "items-2" / "items.txt").read_text() == "0\n1\n2\n3\n"


def test_resuming_needs_a_directory(run: Run) -> None:
    result = run("+stage=items", "resume=true")
    assert result.returncode == 2
    assert "has no incomplete results of 'items'; give the directory of the interrupted run" in result.stderr
    run("+stage=items", "hydra.run.dir=here")
    assert run("+stage=items", "resume=true", "hydra.run.dir=here").returncode == 2  # it is finished
    assert run("+stage=raw", "resume=true").returncode == 0  # nothing to resume there, and nothing that would be lost


@pytest.mark.parametrize(
    ("number", "code", "message"),
    [
        (signal.SIGTERM, 143, "ended by SIGTERM"),
        (signal.SIGHUP, 143, "ended by SIGHUP"),
        (signal.SIGINT, 130, "Ctrl-C"),
    ],
)
def test_signals_keep_finished_items(run: Run, tmp_path: Path, number: int, code: int, message: str) -> None:
    process = run("+stage=items", "items.count=99", "items.seconds=0.2", "hydra.run.dir=here", start=True)
    wait_for(tmp_path / "here", "items/items.txt")
    process.send_signal(number)  # type: ignore[attr-defined]
    _, errors = process.communicate(timeout=20)  # type: ignore[attr-defined]
    assert process.returncode == code
    assert message in errors
    assert "Traceback" not in errors
    content = json.loads((tmp_path / "here" / "summary.json").read_text())
    assert content["status"] == "interrupted"
    assert message in content["error"]
    assert content["resume"].endswith("hydra.run.dir=here resume=true")


def test_a_killed_run_leaves_a_directory_that_can_be_used_again(run: Run, tmp_path: Path) -> None:
    for stage, made in (("items", "items/items.txt"), ("eat", ".eat.unfinished-*")):
        process = run(f"+stage={stage}", f"{stage}.seconds=0.5", "hydra.run.dir=here", start=True)
        wait_for(tmp_path / "here", made)
        process.kill()  # type: ignore[attr-defined]
        process.communicate()  # type: ignore[attr-defined]
        left = json.loads((tmp_path / "here" / "summary.json").read_text())
        assert left["status"] == "running"
        assert left["resume"].endswith("hydra.run.dir=here resume=true" if stage == "items" else "hydra.run.dir=here")
        assert run(f"+stage={stage}", "hydra.run.dir=here").returncode == 0
    assert (tmp_path / "here" / "items" / "incomplete.json").is_file()
    assert (tmp_path / "here" / "items-2" / "items.txt").read_text() == "0\n1\n2\n3\n"
    assert not list((tmp_path / "here").glob(".eat*"))
    assert (tmp_path / "here" / "eat" / "eaten.json").is_file()


def test_a_second_run_in_one_directory_is_refused_and_changes_nothing(run: Run, tmp_path: Path) -> None:
    first = run("+stage=items", "items.count=999", "items.seconds=0.2", "hydra.run.dir=here", start=True)
    wait_for(tmp_path / "here", "items/items.txt")
    notes = (tmp_path / "here" / ".hydra" / "overrides.yaml").read_bytes()
    second = run("+stage=raw", "hydra.run.dir=here", "--json")
    assert second.returncode == 2
    (line,) = second.stderr.splitlines()
    assert line.startswith("error: another run is using '")
    assert json.loads(second.stdout)["path"] == ""  # the summary.json there is that of the other run
    assert (tmp_path / "here" / ".hydra" / "overrides.yaml").read_bytes() == notes
    first.terminate()  # type: ignore[attr-defined]
    _, errors = first.communicate(timeout=30)  # type: ignore[attr-defined]
    assert first.returncode == 143
    assert "Traceback" not in errors
    assert not (tmp_path / "here" / "raw").exists()
    assert (tmp_path / "here" / "items" / "items.txt").read_text().startswith("0\n1\n")


def test_of_two_concurrent_runs_one_works(run: Run, tmp_path: Path) -> None:
    first = run("+stage=raw", "raw.seconds=3", start=True)
    time.sleep(1.5)
    second = run("+stage=raw", "raw.seconds=3")
    assert first.wait(30) == 0  # type: ignore[attr-defined]
    assert second.returncode == 0
    assert "another run is making the same result; waiting for it" in second.stderr
    assert "reused" in second.stdout


def test_an_error_that_an_interruption_causes_is_an_interruption(run: Run, tmp_path: Path) -> None:
    process = run("+stage=eat", "eat.seconds=30", "eat.hides=true", "hydra.run.dir=here", start=True)
    wait_for(tmp_path / "here", ".eat.unfinished-*")
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)  # type: ignore[attr-defined]
    _, errors = process.communicate(timeout=20)  # type: ignore[attr-defined]
    assert process.returncode == 143, errors
    assert "Traceback" not in errors
    assert json.loads((tmp_path / "here" / "summary.json").read_text())["status"] == "interrupted"


def test_temporary_files_of_a_killed_run_are_removed_by_a_resumed_run(run: Run, tmp_path: Path) -> None:
    run("+stage=items", "items.fail=2", "hydra.run.dir=here")
    left = tmp_path / "here" / "items" / "deep" / ".part-0123456789abcdef.png"
    left.parent.mkdir()
    left.touch()
    assert run("+stage=items", "items.fail=2", "hydra.run.dir=here", "resume=true").returncode == 0
    assert not left.exists()
