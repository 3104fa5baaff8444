"""Errors of the command line: exit codes, one line per mistake, no incomplete files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.kitchen import Run, summary


@pytest.mark.parametrize(
    ("arguments", "code", "status"),
    [
        (["+stage=tast"], 2, "user_error"),
        (["+stage=raw", "seed=-1"], 2, "user_error"),
        (["+stage=raw", "raw.fail=user"], 2, "user_error"),
        (["+stage=raw", "raw.fail=bug"], 1, "internal_error"),
        (["+stage=raw", "raw.fail=device"], 2, "unavailable"),
    ],
)
def test_json_reports_how_a_run_failed(run: Run, arguments: list[str], code: int, status: str) -> None:
    result = run(*arguments, "--json")
    content = json.loads(result.stdout)
    assert (result.returncode, content["status"], content["code"]) == (code, "failed", status)
    assert content["error"] in result.stderr


def test_status_reports_why_a_run_failed(run: Run, tmp_path: Path) -> None:
    run("+stage=raw", "raw.fail=user", "hydra.run.dir=here")
    status = json.loads((tmp_path / "here" / "status.json").read_text())
    assert (status["state"], status["code"], status["error"]) == ("failed", "user_error", "the salt is wet; dry it")


def test_sweep_continues_after_a_failed_job(run: Run, tmp_path: Path) -> None:
    result = run("-m", "+stage=taste", "raw.fail=user,''")
    assert result.returncode == 2
    assert "error: the salt is wet; dry it" in result.stderr
    assert len(list(tmp_path.glob("multirun/*/*/*/taste/taste.json"))) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["+stage=tast"], "unknown stage 'tast'; did you mean taste"),
        (["+stage=[raw,tastes]"], "unknown stage 'tastes'; did you mean taste"),
        (["stage=taste"], "'stage=' has no plus sign; write +stage=<name>"),
        (["precision=int8"], "nothing to do: no stage is requested; give +stage=<name>; possible: "),
        (["+stage=raw", "precision=int9"], "unknown value of precision 'int9'; did you mean int8?"),
        (["+stage=raw", "raw.word=x"], "unknown option 'raw.word'; did you mean raw.words"),
        (
            ["+stage=raw", "runtimes.npu.x=1"],
            "unknown option 'runtimes.npu.x': no installed backend is named 'npu'; installed: onnxruntime",
        ),
        (["+stage=raw", "quantizers.npu.x=1"], "no installed quantizer is named 'npu'; installed: qdq"),
        (["+stage=raw", "calibrators.minmax.x=1"], "the calibrator 'minmax' has no options"),
        (["+stage=raw", "precison=int8"], "unknown option 'precison'; did you mean precision"),
        (["+stage=raw", "seed=abc"], "seed=abc is not a whole number; possible: 0 to "),
        (["+stage=raw", "raw.words=sugar"], "error: raw.words=sugar; salt or pepper"),
        (["+stage=raw", "graft=onnx"], "'graft' is now 'decode'; write decode=<value>"),
        (["+stage=raw", "a=b=c]"], "unknown option 'a'"),
        (["+stage=raw", "++unknown=1"], "unknown option 'unknown'"),
        (["+stage=raw", "++raw.word=1"], "unknown option 'raw.word'; did you mean raw.words"),
        (["+stage=raw", "++runtimes.onnxruntime.thread=1"], "did you mean runtimes.onnxruntime.threads"),
        (["+stage=raw", "++plugins.disabled=[]"], "unknown option 'plugins.disabled'; did you mean plugins.disable?"),
        (["+stage=raw", "++stage.raw.words=1"], "+stage=raw has no options below it"),
        (["+stage=raw", "++hydra.run.directory=x"], "unknown option 'hydra.run.directory'; `python -m core.run --cfg"),
        (["+stage=raw", "raw.words=b=c]"], """python -m core.run +stage=raw "raw.words='b=c]'\""""),
    ],
)
def test_mistakes_are_one_line_and_leave_no_files(run: Run, tmp_path: Path, arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert result.returncode == 2, result.stderr
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert message in line
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.glob("outputs/*/*"))


def test_a_failing_stage_leaves_no_incomplete_files(run: Run, tmp_path: Path) -> None:
    result = run("+stage=taste", "raw.fail=user")
    assert result.returncode == 2
    assert "error: the salt is wet; dry it" in result.stderr
    assert "to resume" not in result.stderr  # the same command would fail again
    assert (summary(tmp_path)["status"], summary(tmp_path)["code"]) == ("failed", "user_error")
    assert " ERROR the salt is wet; dry it" in next(tmp_path.glob("outputs/*/*/run.log")).read_text()
    assert not list(tmp_path.rglob("raw.txt"))


def test_a_bug_keeps_its_traceback(run: Run, tmp_path: Path) -> None:
    result = run("+stage=raw", "raw.fail=bug")
    assert result.returncode == 1
    assert "Traceback" in result.stderr
    assert "ZeroDivisionError: a bug" in result.stderr
    log = next(tmp_path.glob("outputs/*/*/run.log")).read_text()
    assert " ERROR Traceback (most recent call last):" in log
    assert "ZeroDivisionError: a bug" in log
    assert (summary(tmp_path)["status"], summary(tmp_path)["code"]) == ("failed", "internal_error")


@pytest.mark.parametrize("device", ["gpu", "0"])
def test_an_unknown_device_is_one_line(run: Run, device: str) -> None:
    result = run("+stage=taste", f"device={device}")
    assert result.returncode == 2
    assert result.stderr.count("error:") == 1
    assert "possible: auto, cpu, cuda, cuda:N" in result.stderr


@pytest.mark.parametrize("given", ["mine", "mine/new", "empty", "."])
def test_a_mistake_removes_no_files_of_the_user(run: Run, tmp_path: Path, given: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "mine" / ".hydra").mkdir(parents=True)
    (tmp_path / "mine" / ".hydra" / "notes.txt").write_text("the user's")
    before = {path for path in tmp_path.rglob("*") if "__pycache__" not in path.parts}
    assert run("+stage=raw", "raw.words=sugar", f"hydra.run.dir={given}").returncode == 2
    assert before <= set(tmp_path.rglob("*"))
    assert not (tmp_path / "mine" / "new").exists()


def test_a_summary_of_another_program_is_not_replaced(run: Run, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "summary.json").write_text('{"mine": 1}')
    result = run("+stage=raw", "hydra.run.dir=here")
    assert result.returncode == 2
    assert "was not written by hookline" in result.stderr
    assert (tmp_path / "here" / "summary.json").read_text() == '{"mine": 1}'


@pytest.mark.parametrize("name", [".hookline.lock", "summary.json", "run.log"])
def test_a_folder_in_the_place_of_a_file_is_one_line(run: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / "here" / name).mkdir(parents=True)
    result = run("+stage=raw", "hydra.run.dir=here")
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_options_of_stages_outside_the_plan_are_reported(run: Run) -> None:
    result = run("+stage=raw", "eat.seconds=1", "raw.words=pepper")
    assert "eat.seconds has no effect: stage 'eat' is not part of this plan" in result.stderr
    assert result.stderr.count("has no effect") == 1


def test_a_folder_that_cannot_be_created_is_one_line(run: Run) -> None:
    result = run("+stage=raw", "hydra.run.dir=/proc/x")
    assert (result.returncode, result.stderr) == (2, "error: cannot create the folder '/proc/x'; choose another one\n")


def test_a_wrong_name_of_an_unused_part_is_reported(run: Run) -> None:
    result = run("+stage=raw", "calibrator=minmx")
    assert result.returncode == 2
    assert "error: unknown calibrator 'minmx'; did you mean minmax?" in result.stderr
