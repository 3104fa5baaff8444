"""hookline.run and hookline.build use the plan and store of the command, raise errors, and restore the process."""

from __future__ import annotations

import io
import logging
import os
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

import hookline
from hookline.options import arguments

GROUPS = {"stage", "graft"}


@pytest.fixture
def weights(material: Path) -> str:
    return str(material / "tiny.safetensors")


def status(result: hookline.RunResult) -> dict[str, str]:
    return {stage.name: stage.status for stage in result.summary.stages}


def test_a_run_gives_summary_and_artifacts_in_outputs(here: Path, weights: str) -> None:
    result = hookline.run("+stage=export", f"weights={weights}", "imgsz=64")
    model = result.artifacts["export"]
    assert isinstance(model, hookline.OnnxModel)
    assert model.path.is_file()
    assert result.folder.parent.parent == here / "outputs"
    assert (result.folder / "summary.json").is_file()
    assert (result.summary.status, [stage.name for stage in result.summary.stages]) == ("finished", ["load", "export"])
    assert [item.name for item in here.iterdir()] == ["outputs"]


def test_a_build_by_the_command_is_reused_by_the_function_and_the_other_way_round(
    here: Path, material: Path, weights: str, repo_root: Path
) -> None:
    pictures = str(material / "pictures")
    engine = hookline.build(weights, precision="int8", source=pictures, imgsz=64, quiet=True)
    assert engine.precision is hookline.Precision.int8
    assert engine.path.parent.parent.parent.parent == here / "outputs"
    line = [sys.executable, "-m", "core.run", "+stage=build", "precision=int8", "imgsz=64", "hydra.run.dir=by_command"]
    again = [*line, f"weights={weights}", f"calibrate.source={pictures}"]
    environment = os.environ | {"PYTHONPATH": str(repo_root)}
    done = subprocess.run(again, cwd=here, env=environment, capture_output=True, text=True, check=True)
    assert " reused " in done.stdout, done.stdout
    subprocess.run([*again, "seed=7"], cwd=here, env=environment, capture_output=True, check=True)
    options = ["+stage=build", "precision=int8", "imgsz=64", "seed=7"]
    result = hookline.run(*options, *arguments({"weights": weights, "calibrate.source": pictures}))
    assert set(status(result).values()) == {"reused"}


def test_a_user_error_is_raised_in_one_line_and_leaves_nothing(
    here: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(hookline.HooklineError, match="unknown stage 'exprot'; did you mean export"):
        hookline.run("+stage=exprot", f"weights={weights}")
    with pytest.raises(hookline.HooklineError, match=r"export.opset=1 is out of range") as caught:
        hookline.run("+stage=export", f"weights={weights}", "export.opset=1")
    assert "\n" not in str(caught.value)
    assert list(here.iterdir()) == []
    assert "error:" not in capsys.readouterr().err


def test_a_failed_stage_keeps_its_summary(here: Path, material: Path) -> None:
    damaged = material / "damaged.pt"
    damaged.write_bytes(b"no archive")
    with pytest.raises(hookline.HooklineError, match=r"damaged\.pt"):
        hookline.run("+stage=export", f"weights={damaged}", "hydra.run.dir=failed")
    assert '"status": "failed"' in (here / "failed" / "summary.json").read_text()


@pytest.mark.parametrize(
    ("argument", "problem"),
    [
        ("-m", "'-m' is a flag of the command line"),
        ("--json", "'--json' is a flag"),
        ("hydra.job.chdir=true", "'hydra.job.chdir' has no effect in a function call"),
        ("hydra/launcher=basic", "has no effect in a function call"),
        ("imgsz=64,128", "imgsz"),
    ],
)
def test_what_belongs_to_the_command_line_is_refused(here: Path, argument: str, problem: str) -> None:
    with pytest.raises(hookline.HooklineError, match=problem):
        hookline.run("+stage=export", argument)
    assert list(here.iterdir()) == []


@pytest.mark.usefixtures("here")
def test_nothing_is_printed_on_standard_output_and_nothing_at_all_when_quiet(
    weights: str, capfd: pytest.CaptureFixture[str]
) -> None:
    hookline.run("+stage=export", f"weights={weights}", "imgsz=64")
    loud = capfd.readouterr()
    assert loud.out == ""
    assert "export" in loud.err
    hookline.run("+stage=export", f"weights={weights}", "imgsz=64", quiet=True)
    assert capfd.readouterr() == ("", "")


def test_the_process_stays_as_it_was(here: Path, weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", True)
    monkeypatch.setattr(logging.getLogger("hookline"), "propagate", True)

    def state() -> dict[str, object]:
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        logger = logging.getLogger("hookline")
        return {
            "signals": [signal.getsignal(number) for number in numbers],
            "arguments": list(sys.argv),
            "folder": Path.cwd(),
            "streams": (sys.stdout, sys.stderr),
            "warnings": warnings.showwarning,
            "hook": sys.unraisablehook,
            "mkdir": os.mkdir,
            "logging": (logging.raiseExceptions, logger.propagate, logger.level, logger.handlers[:]),
            "root": logging.getLogger().handlers[:],
            "hydra": (GlobalHydra.instance().hydra, HydraConfig.instance().cfg),
            "nodes": {name: list(item) for name, item in ConfigStore.instance().repo.items() if name in GROUPS},
            "names": sorted(ConfigStore.instance().repo),
        }

    (here / "mine").mkdir()
    (here / "mine" / "app.yaml").write_text("name: mine\n")
    hookline.run("+stage=export", f"weights={weights}", "imgsz=64", quiet=True)  # imports what it needs
    with initialize_config_dir(str(here / "mine"), version_base="1.2"):
        before = state()
        hookline.run("+stage=export", f"weights={weights}", "imgsz=64", quiet=True)
        with pytest.raises(hookline.HooklineError):
            hookline.run("+stage=export", "weights=nowhere.pt", quiet=True)
        assert state() == before
        assert compose("app") == {"name": "mine"}


@pytest.mark.usefixtures("here")
def test_it_runs_in_another_thread(weights: str) -> None:
    results: list[hookline.RunResult] = []
    runs = [
        threading.Thread(
            target=lambda: results.append(hookline.run("+stage=export", f"weights={weights}", "imgsz=64", quiet=True))
        )
        for _ in range(2)
    ]
    for thread in runs:
        thread.start()
    for thread in runs:
        thread.join()
    assert len({result.folder for result in results}) == 2


@pytest.mark.usefixtures("here")
def test_a_plugin_named_later_is_found(weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(hookline.HooklineError, match="unknown stage 'late'"):
        hookline.run("+stage=late", f"weights={weights}", quiet=True)
    (tmp_path / "late_plugin.py").write_text(
        "from dataclasses import dataclass\n"
        "from hookline import OnnxModel, RunContext, Stage, hookimpl\n"
        "@dataclass\nclass LateConfig:\n    pass\n"
        "def late(config: LateConfig, model: OnnxModel, context: RunContext) -> OnnxModel:\n    return model\n"
        "@hookimpl\ndef hookline_stages():\n    yield Stage(name='late', summary='later', run=late, stored=False)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("HOOKLINE_PLUGINS", "late_plugin")
    result = hookline.run("+stage=late", f"weights={weights}", "imgsz=64", quiet=True)
    assert list(status(result)) == ["load", "export", "late"]


@pytest.mark.parametrize(
    "name", ["plain", "a b", "x,y", "(1)", "a=b", "{c}", "${seed}", "null", "12", "it's", "a\\", "[1]"]
)
def test_a_path_of_any_name_is_taken_as_it_is(here: Path, material: Path, name: str) -> None:
    target = here / f"{name}.safetensors"
    target.write_bytes((material / "tiny.safetensors").read_bytes())
    sidecar = material / "tiny.safetensors.json"
    assert not sidecar.exists()
    result = hookline.run("+stage=load", *arguments({"weights": target.name}), quiet=True)
    assert isinstance(result.artifacts["load"], hookline.Checkpoint)


def test_values_become_arguments() -> None:
    given = {"a": 1, "b": 0.5, "c": True, "d": [384, 640], "e": Path("x/y z"), "f": None, "g": hookline.Precision.int8}
    assert arguments(given) == ["a=1", "b=0.5", "c=true", "d=[384,640]", "e='x/y z'", "g=int8"]
    of_numpy = {"a": np.int64(1), "b": np.float32(0.5), "d": np.array([384, 640]), "e": [np.int32(1), 2]}
    assert arguments(of_numpy) == ["a=1", "b=0.5", "d=[384,640]", "e=[1,2]"]
    with pytest.raises(hookline.HooklineError, match="imgsz=<object> is not possible"):
        arguments({"imgsz": object()})


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("argument", [["+stage=build"], None, 5, b"+stage=build"])
def test_an_argument_that_is_no_string_is_refused(argument: object) -> None:
    with pytest.raises(hookline.HooklineError, match="an argument must be a string, not "):
        hookline.run(argument)  # type: ignore[arg-type]


@pytest.mark.usefixtures("here")
def test_streams_of_a_notebook_have_no_descriptor(
    weights: str, material: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdout, stderr = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setattr(sys, "stderr", stderr)
    source = f"source={material / 'pictures'}"
    hookline.run("+stage=predict", "predict.model=heads", f"weights={weights}", "imgsz=64", source)
    assert stdout.getvalue() == ""
    assert "4 images" in stderr.getvalue()


@pytest.mark.usefixtures("here")
def test_an_interruption_passes_through(weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("core.execution.runner._run_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        hookline.run("+stage=export", f"weights={weights}", "hydra.run.dir=stopped", quiet=True)
    assert '"status": "interrupted"' in Path("stopped", "summary.json").read_text()
