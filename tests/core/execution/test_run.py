"""The command line: results, summary.json, status.json, sweeps, and no heavy imports at the start."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from tests.support.kitchen import Run, summary, wait_for


def test_run_and_summary(run: Run, tmp_path: Path) -> None:
    result = run("+stage=taste", "precision=int8")
    assert result.returncode == 0, result.stderr
    assert "plan: raw → [taste]" in result.stderr
    assert "salting: 3/3" in result.stderr
    content = summary(tmp_path)
    assert content["status"] == "finished"
    assert content["command"] == "python -m core.run +stage=taste precision=int8"
    assert content["metrics"] == {"taste": {"salt": 0.5}}
    assert content["warnings"] == ["too much salt"]
    stages = [(stage["name"], stage["status"]) for stage in content["stages"]]  # type: ignore[attr-defined]
    assert stages == [("raw", "ran"), ("taste", "ran")]
    assert all(stage["peak_memory"] > 0 and len(stage["artifact"]["sha256"]) == 64 for stage in content["stages"])  # type: ignore[attr-defined]
    assert next(tmp_path.glob("outputs/*/*/taste/taste.json")).read_text() == "saltint8"


def test_results_are_on_standard_output_and_everything_else_on_standard_error(run: Run, tmp_path: Path) -> None:
    result = run("+stage=taste", "hydra.run.dir=here")
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["taste"]
    assert result.stdout.rstrip().endswith("here/taste/taste.json")
    lines = (result.stdout + result.stderr).splitlines()
    assert len(lines) == len(set(lines))
    log = (tmp_path / "here" / "run.log").read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (DEBUG|INFO|WARNING|ERROR) ", line) for line in log)
    printed = [line.removeprefix("warning: ") for line in lines]
    assert sorted(line.split(" ", 3)[3] for line in log if not line.endswith(" starts")) == sorted(printed)


def test_json_prints_the_summary_and_nothing_else(run: Run, tmp_path: Path) -> None:
    result = run("--json", "+stage=taste", "hydra.run.dir=here")
    assert json.loads(result.stdout) == json.loads((tmp_path / "here" / "summary.json").read_text())
    assert "plan: raw → [taste]" in result.stderr
    assert "taste.json" in result.stderr


def test_json_of_a_sweep_has_a_line_per_run(run: Run) -> None:
    result = run("-m", "--json", "+stage=taste", "raw.fail=user,''")
    assert [json.loads(line)["code"] for line in result.stdout.splitlines()] == ["user_error", ""]


def test_status_follows_a_run(run: Run, tmp_path: Path) -> None:
    process = run("+stage=taste", "raw.seconds=6", "hydra.run.dir=here", start=True)
    wait_for(tmp_path / "here", "status.json")
    seen = []
    while process.poll() is None:  # type: ignore[attr-defined]
        seen.append(json.loads((tmp_path / "here" / "status.json").read_text()))  # whole at every moment
        time.sleep(0.002)
    running = [status for status in seen if status["state"] == "running"]
    assert {status["pid"] for status in running} == {process.pid}  # type: ignore[attr-defined]
    assert {(status["stage"], status["step"], status["steps"]) for status in running} >= {("raw", 1, 2)}
    assert {status["progress"]["done"] for status in running if status["progress"]} >= {1, 2}
    assert {status["progress"]["total"] for status in running if status["progress"]} == {3}
    last = json.loads((tmp_path / "here" / "status.json").read_text())
    assert (last["state"], last["code"], last["figures"]) == ("finished", "", {"taste": {"salt": 0.5}})
    process.communicate()  # type: ignore[attr-defined]


def test_second_run_reuses(run: Run, tmp_path: Path) -> None:
    run("+stage=raw")
    result = run("+stage=raw")
    assert "reused" in result.stdout
    assert len(list(tmp_path.glob("outputs/*/*/raw/raw.txt"))) == 2


def test_sweep_runs_each_combination(run: Run, tmp_path: Path) -> None:
    result = run("-m", "+stage=taste", "precision=fp32,int8", "raw.words=salt,pepper")
    assert result.returncode == 0, result.stderr
    tastes = sorted(path.read_text() for path in tmp_path.glob("multirun/*/*/*/taste/taste.json"))
    assert tastes == ["pepperfp32", "pepperint8", "saltfp32", "saltint8"]


def test_the_files_of_hydra_are_written(run: Run, tmp_path: Path) -> None:
    run("+stage=raw", "raw.words=pepper", "hydra.run.dir=here")
    folder = tmp_path / "here" / ".hydra"
    assert (folder / "overrides.yaml").read_text() == "- +stage=raw\n- raw.words=pepper\n"
    assert "words: pepper" in (folder / "config.yaml").read_text()
    assert (folder / "hydra.yaml").read_text().startswith("hydra:")
    assert "salt" in (tmp_path / "here" / "run.log").read_text()


def test_help_shows_stages_options_and_three_examples(run: Run) -> None:
    text = run("--help").stdout
    assert "  taste" in text
    assert "taste it" in text
    assert text.count("\n  python -m core.run +stage=") + text.count("\n  python -m core.run -m +stage=") >= 3
    assert "raw.words=salt" in run("+stage=raw", "--help").stdout


def test_start_imports_nothing_heavy(run: Run, repo_root: Path) -> None:
    code = (
        "import sys; sys.argv = ['run', '--help']; from core.run import main; main();"
        "heavy = {'torch', 'onnx', 'onnxruntime', 'onnx_graphsurgeon', 'cv2', 'av', 'numpy', 'hydra', 'omegaconf', "
        "'filelock', 'sqlite3', 'rich'};"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=repo_root, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_cuda_numbers_gpus_as_nvidia_smi_unless_it_is_set(repo_root: Path) -> None:
    code = "import os, core.run; print(os.environ['CUDA_DEVICE_ORDER'], os.environ['CUDA_MODULE_LOADING'])"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CUDA_")}
    for settings, expected in (({}, "PCI_BUS_ID LAZY"), ({"CUDA_DEVICE_ORDER": "FASTEST_FIRST"}, "FASTEST_FIRST LAZY")):
        printed = subprocess.check_output([sys.executable, "-c", code], cwd=repo_root, env=clean | settings, text=True)
        assert printed.strip() == expected


def test_a_run_that_is_repeated_in_its_directory_makes_no_second_copy(run: Run, tmp_path: Path) -> None:
    for _ in range(2):
        assert run("+stage=raw", "hydra.run.dir=here").returncode == 0
    assert sorted(path.name for path in (tmp_path / "here").iterdir() if path.is_dir()) == [".hydra", "raw"]
    (tmp_path / "here" / "raw" / "raw.txt").write_text("the user's")
    assert run("+stage=raw", "hydra.run.dir=here").returncode == 0
    assert (tmp_path / "here" / "raw" / "raw.txt").read_text() == "the user's"
    assert (tmp_path / "here" / "raw-2" / "raw.txt").read_text() == "saltfp32"
