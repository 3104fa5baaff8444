"""The command line: exit codes, one line for each mistake, nothing half-written, nothing heavy at start."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core.execution.outcome import RunOutcome

Run = Callable[..., subprocess.CompletedProcess[str]]

PLUGIN = '''
"""A chain without anything heavy: raw -> cooked -> eaten."""
import time
from dataclasses import dataclass
from pathlib import Path
from core.artifacts import Artifact, Metrics; from core.model_facts import Precision
from core.options.fields import shared
from core.kinds.context import RunContext
from core.errors import HooklineError, UnavailableError
from core.plugins.hookspecs import hookimpl
from core.kinds.stage import Stage


@dataclass(frozen=True, kw_only=True)
class Raw(Artifact):
    pass


@dataclass
class RawConfig:
    words: str = "salt"
    fail: str = ""
    seconds: float = 0.0
    precision: Precision = shared("precision", otherwise=Precision.fp32)

    def __post_init__(self) -> None:
        if self.words == "sugar":
            raise HooklineError("raw.words=sugar", "salt or pepper")


def raw(config: RawConfig, context: RunContext) -> Raw:
    path = context.workdir / "raw.txt"
    path.write_text("half")
    if config.fail == "user":
        raise HooklineError("the salt is wet", "dry it")
    if config.fail == "device":
        raise UnavailableError("no oven", "buy one")
    if config.fail == "bug":
        raise ZeroDivisionError("a bug")
    with context.progress("salting", total=3, unit="grains") as progress:
        for _ in range(3):
            time.sleep(config.seconds / 3)
            progress.advance()
    context.warn("too much salt")
    path.write_text(config.words + config.precision.value)
    return Raw(path=path)


@dataclass
class EatConfig:
    seconds: float = 0.0
    hides: bool = False


def eat(config: EatConfig, context: RunContext) -> Metrics:
    try:
        time.sleep(config.seconds)
    except BaseException as error:
        if config.hides:
            raise ImportError("a library that was interrupted") from error
        raise
    path = context.workdir / "eaten.json"
    path.write_text("{}")
    return Metrics(path=path, values={})


@dataclass
class TasteConfig:
    loud: bool = True


def taste(config: TasteConfig, raw: Raw, context: RunContext) -> Metrics:
    path = context.workdir / "taste.json"
    path.write_text(raw.path.read_text())
    return Metrics(path=path, values={"salt": 0.5})


@dataclass
class ItemsConfig:
    count: int = 4
    fail: int = -1
    seconds: float = 0.0
    resume: bool = shared("resume", presentation=True)


def items(config: ItemsConfig, context: RunContext) -> Metrics:
    path = context.workdir / "items.txt"
    done = path.read_text().split() if path.exists() else []
    for number in range(len(done), config.count):
        time.sleep(config.seconds)
        if number == config.fail and not config.resume:
            raise HooklineError("a worm", "cut it out")
        with path.open("a") as file:
            file.write(f"{number}\\n")
        context.keep(Metrics(path=path, values={"items": number + 1}))
    return Metrics(path=path, values={"items": config.count})


@hookimpl
def hookline_stages():
    yield Stage(
        name="items", summary="one by one", run=items, stored=False, incremental=True, resumable=True, automatic=False
    )
    yield Stage(name="raw", summary="put salt on", run=raw)
    yield Stage(name="eat", summary="eat", run=eat, stored=False, automatic=False)
    yield Stage(name="taste", summary="taste it", run=taste, stored=False)
'''


@pytest.fixture
def run(repo_root: Path, tmp_path: Path) -> Run:
    """``python -m core.run`` in an empty folder, with the chain above."""
    (tmp_path / "kitchen.py").write_text(PLUGIN)

    def call(*arguments: str, start: bool = False) -> subprocess.CompletedProcess[str]:
        settings = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(tmp_path), str(repo_root)]),
            "HOOKLINE_PLUGINS": "kitchen",
            "HOOKLINE_HOME": str(tmp_path / "home"),
        }
        line = [sys.executable, "-m", "core.run", *arguments]
        if start:
            return subprocess.Popen(line, cwd=tmp_path, env=settings, stderr=subprocess.PIPE, text=True)  # type: ignore[return-value]
        return subprocess.run(line, cwd=tmp_path, env=settings, capture_output=True, text=True, check=False)

    return call


def summary(folder: Path) -> dict[str, object]:
    (path,) = folder.glob("outputs/*/*/summary.json")
    content: dict[str, object] = json.loads(path.read_text())
    return content


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
def test_json_says_how_a_run_failed(run: Run, arguments: list[str], code: int, status: str) -> None:
    result = run(*arguments, "--json")
    content = json.loads(result.stdout)
    assert (result.returncode, content["status"], content["code"]) == (code, "failed", status)
    assert content["error"] in result.stderr


def test_json_of_a_run_that_is_interrupted_before_it_begins() -> None:
    outcome = RunOutcome()
    outcome.error = KeyboardInterrupt()
    (content,) = outcome.contents("python -m core.run +stage=raw")
    assert (content["status"], content["code"]) == ("interrupted", "interrupted")
    assert content["error"]


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


def test_status_says_why_a_run_failed(run: Run, tmp_path: Path) -> None:
    run("+stage=raw", "raw.fail=user", "hydra.run.dir=here")
    status = json.loads((tmp_path / "here" / "status.json").read_text())
    assert (status["state"], status["code"], status["error"]) == ("failed", "user_error", "the salt is wet; dry it")


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


def test_sweep_goes_on_after_a_failed_job(run: Run, tmp_path: Path) -> None:
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
def test_mistakes_are_one_line_and_leave_nothing(run: Run, tmp_path: Path, arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert result.returncode == 2, result.stderr
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert message in line
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.glob("outputs/*/*"))


def test_a_failing_stage_leaves_nothing_half_made(run: Run, tmp_path: Path) -> None:
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


def test_an_incremental_stage_keeps_what_is_finished_and_is_resumed(run: Run, tmp_path: Path) -> None:
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


def test_other_options_do_not_continue_former_work(run: Run, tmp_path: Path) -> None:
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


def wait_for(folder: Path, pattern: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not list(folder.glob(pattern)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert list(folder.glob(pattern))


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGTERM, 143, "ended by SIGTERM"),
        (signal.SIGHUP, 143, "ended by SIGHUP"),
        (signal.SIGINT, 130, "Ctrl-C"),
    ],
)
def test_signals_keep_what_is_finished(run: Run, tmp_path: Path, number: int, code: int, said: str) -> None:
    process = run("+stage=items", "items.count=99", "items.seconds=0.2", "hydra.run.dir=here", start=True)
    wait_for(tmp_path / "here", "items/items.txt")
    process.send_signal(number)  # type: ignore[attr-defined]
    _, errors = process.communicate(timeout=20)  # type: ignore[attr-defined]
    assert process.returncode == code
    assert said in errors
    assert "Traceback" not in errors
    content = json.loads((tmp_path / "here" / "summary.json").read_text())
    assert content["status"] == "interrupted"
    assert said in content["error"]
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


def test_hydra_s_notes_are_kept(run: Run, tmp_path: Path) -> None:
    run("+stage=raw", "raw.words=pepper", "hydra.run.dir=here")
    folder = tmp_path / "here" / ".hydra"
    assert (folder / "overrides.yaml").read_text() == "- +stage=raw\n- raw.words=pepper\n"
    assert "words: pepper" in (folder / "config.yaml").read_text()
    assert (folder / "hydra.yaml").read_text().startswith("hydra:")
    assert "salt" in (tmp_path / "here" / "run.log").read_text()


def test_two_runs_at_once_work_once(run: Run, tmp_path: Path) -> None:
    first = run("+stage=raw", "raw.seconds=3", start=True)
    time.sleep(1.5)
    second = run("+stage=raw", "raw.seconds=3")
    assert first.wait(30) == 0  # type: ignore[attr-defined]
    assert second.returncode == 0
    assert "another run is making the same result; waiting for it" in second.stderr
    assert "reused" in second.stdout


def test_help_shows_stages_options_and_three_examples(run: Run) -> None:
    text = run("--help").stdout
    assert "  taste" in text
    assert "taste it" in text
    assert text.count("\n  python -m core.run +stage=") + text.count("\n  python -m core.run -m +stage=") >= 3
    assert "raw.words=salt" in run("+stage=raw", "--help").stdout


def test_start_imports_nothing_heavy(run: Run, repo_root: Path) -> None:
    code = (
        "import sys; sys.argv = ['run', '--help']; from core.run import main; main();"
        "heavy = {'torch', 'onnx', 'onnxruntime', 'onnx_graphsurgeon', 'cv2', 'av', 'numpy', 'hydra', 'rich', "
        "'omegaconf', 'filelock', 'sqlite3'};"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=repo_root, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_cuda_counts_as_nvidia_smi_does_unless_told_otherwise(repo_root: Path) -> None:
    code = "import os, core.run; print(os.environ['CUDA_DEVICE_ORDER'], os.environ['CUDA_MODULE_LOADING'])"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CUDA_")}
    for settings, said in (({}, "PCI_BUS_ID LAZY"), ({"CUDA_DEVICE_ORDER": "FASTEST_FIRST"}, "FASTEST_FIRST LAZY")):
        told = subprocess.check_output([sys.executable, "-c", code], cwd=repo_root, env=clean | settings, text=True)
        assert told.strip() == said


@pytest.mark.parametrize("device", ["gpu", "0"])
def test_a_device_that_nobody_knows_is_one_line(run: Run, device: str) -> None:
    result = run("+stage=taste", f"device={device}")
    assert result.returncode == 2
    assert result.stderr.count("error:") == 1
    assert "possible: auto, cpu, cuda, cuda:N" in result.stderr


def test_a_run_that_is_repeated_in_its_directory_makes_no_second_copy(run: Run, tmp_path: Path) -> None:
    for _ in range(2):
        assert run("+stage=raw", "hydra.run.dir=here").returncode == 0
    assert sorted(path.name for path in (tmp_path / "here").iterdir() if path.is_dir()) == [".hydra", "raw"]
    (tmp_path / "here" / "raw" / "raw.txt").write_text("the user's")
    assert run("+stage=raw", "hydra.run.dir=here").returncode == 0
    assert (tmp_path / "here" / "raw" / "raw.txt").read_text() == "the user's"
    assert (tmp_path / "here" / "raw-2" / "raw.txt").read_text() == "saltfp32"


@pytest.mark.parametrize("given", ["mine", "mine/new", "empty", "."])
def test_a_mistake_removes_nothing_of_the_users(run: Run, tmp_path: Path, given: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "mine" / ".hydra").mkdir(parents=True)
    (tmp_path / "mine" / ".hydra" / "notes.txt").write_text("the user's")
    before = {path for path in tmp_path.rglob("*") if "__pycache__" not in path.parts}
    assert run("+stage=raw", "raw.words=sugar", f"hydra.run.dir={given}").returncode == 2
    assert before <= set(tmp_path.rglob("*"))
    assert not (tmp_path / "mine" / "new").exists()


def test_a_summary_of_somebody_else_is_not_replaced(run: Run, tmp_path: Path) -> None:
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


def test_an_error_that_an_interruption_causes_is_an_interruption(run: Run, tmp_path: Path) -> None:
    process = run("+stage=eat", "eat.seconds=30", "eat.hides=true", "hydra.run.dir=here", start=True)
    wait_for(tmp_path / "here", ".eat.unfinished-*")
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)  # type: ignore[attr-defined]
    _, errors = process.communicate(timeout=20)  # type: ignore[attr-defined]
    assert process.returncode == 143, errors
    assert "Traceback" not in errors
    assert json.loads((tmp_path / "here" / "summary.json").read_text())["status"] == "interrupted"


def test_temporary_files_of_a_killed_run_go_when_it_is_resumed(run: Run, tmp_path: Path) -> None:
    run("+stage=items", "items.fail=2", "hydra.run.dir=here")
    left = tmp_path / "here" / "items" / "deep" / ".part-0123456789abcdef.png"
    left.parent.mkdir()
    left.touch()
    assert run("+stage=items", "items.fail=2", "hydra.run.dir=here", "resume=true").returncode == 0
    assert not left.exists()


def test_options_of_stages_outside_the_plan_are_named(run: Run) -> None:
    result = run("+stage=raw", "eat.seconds=1", "raw.words=pepper")
    assert "eat.seconds has no effect: stage 'eat' is not part of this plan" in result.stderr
    assert result.stderr.count("has no effect") == 1


def test_a_folder_that_cannot_be_made_is_one_line(run: Run) -> None:
    result = run("+stage=raw", "hydra.run.dir=/proc/x")
    assert (result.returncode, result.stderr) == (2, "error: cannot create the folder '/proc/x'; choose another one\n")


def test_a_wrong_name_of_a_part_is_reported_where_no_stage_uses_it(run: Run) -> None:
    result = run("+stage=raw", "calibrator=minmx")
    assert result.returncode == 2
    assert "error: unknown calibrator 'minmx'; did you mean minmax?" in result.stderr
