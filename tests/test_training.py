"""Training by its commands, on a few drawn shapes: nothing is faked, and nothing is learnt."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from backends.yolov5.checkpoint import load
from core.data.writing import CHARTS
from tests.support.commands import environment, run_python

Run = Callable[..., subprocess.CompletedProcess[str]]
TINY = ("weights=null", "model=yolov5n", "imgsz=64", "train.batch=8", "train.workers=1", "train.nominal_batch=8")
DATA = ("data=shapes/data.yaml",)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of shapes under ``shapes``."""
    folder = tmp_path_factory.mktemp("training")
    options = ["toy.train=16", "toy.val=8", "toy.imgsz=64", "hydra.run.dir=made"]
    done = command(folder, "core.run", "+stage=toy", *options)
    assert done.returncode == 0, done.stderr
    (folder / "made" / "toy").rename(folder / "shapes")
    return folder


def command(folder: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a module in ``folder``."""
    return run_python("-m", *words, cwd=folder, OMP_NUM_THREADS="1", **settings)


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    """One run of the command line."""

    def call(*overrides: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return command(folder, "core.run", *overrides, **settings)

    return call


def results(folder: Path) -> list[dict[str, str]]:
    with (folder / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def curve(folder: Path) -> list[list[float]]:
    names = ("train/box_loss", "train/obj_loss", "train/cls_loss", "fitness")
    return [[float(row[name]) for name in names] for row in results(folder)]


@pytest.fixture(scope="module")
def whole(run: Run, folder: Path) -> Path:
    """A training of three epochs that nobody disturbed."""
    done = run("+stage=train", *DATA, *TINY, "train.epochs=3", "hydra.run.dir=whole")
    assert done.returncode == 0, done.stderr
    assert "train 16 images with" in done.stderr  # a line of the stage that nobody asked for, not its tables
    assert "Median box" not in done.stderr
    return folder / "whole" / "train"


def test_what_a_training_leaves(whole: Path) -> None:
    left = {item.name for item in whole.iterdir()}
    assert {"best.safetensors", "last.safetensors", "results.csv", "results.png", "train_batch.jpg"} <= left
    assert set(CHARTS) <= left
    assert not {".state.pt", "incomplete.json"} & left
    assert [row["epoch"] for row in results(whole)] == ["1", "2", "3"]
    assert load(whole / "best.safetensors").names == ("circle", "square", "triangle")
    summary = json.loads((whole.parent / "summary.json").read_text())
    assert summary["stages"][-1]["artifact"]["type"] == "Checkpoint"
    figures = summary["metrics"]["train"]
    assert (figures["epochs"], figures["ended"]) == (3, "epochs")
    assert 1 <= figures["best_epoch"] <= 3
    row = results(whole)[figures["best_epoch"] - 1]
    for name in ("train/box_loss", "val/box_loss", "val/obj_loss", "val/cls_loss"):
        assert figures[name] == pytest.approx(float(row[name]), rel=1e-4)
        assert figures[name] > 0
    assert figures["map50"] == pytest.approx(float(row["metrics/map50"]), rel=1e-4)
    assert set(figures["classes"]) == {"circle", "square", "triangle"}


def test_a_reused_training_gets_the_charts_that_it_lacks(run: Run, folder: Path, whole: Path) -> None:
    words = ["+stage=train", *DATA, *TINY, "train.epochs=1"]
    assert run(*words, "train.plots=false", "hydra.run.dir=bare").returncode == 0
    assert not list((folder / "bare" / "train").glob("*_curve.png"))
    done = run(*words, "hydra.run.dir=drawn")
    assert done.returncode == 0, done.stderr
    assert "train: drawing the missing charts of the stored training" in done.stderr
    assert "epoch 1/1" not in done.stderr
    assert {"PR_curve.png", "results.png", "val_predictions_1.jpg"} <= {
        item.name for item in (folder / "drawn" / "train").iterdir()
    }


def test_the_checkpoint_flows_on(run: Run, folder: Path, whole: Path) -> None:
    chain = ["+stage=[train,build,evaluate]", *DATA, *TINY, "train.epochs=3", "precision=int8", "hydra.run.dir=chain"]
    done = run(*chain)
    assert done.returncode == 0, done.stderr
    stages = {
        item["name"]: item["status"] for item in json.loads((folder / "chain" / "summary.json").read_text())["stages"]
    }
    assert stages["train"] == "reused"
    assert stages["calibrate"] == stages["build"] == stages["evaluate"] == "ran"
    assert "calibrate: 16/16" in done.stderr  # the train split
    assert "street" not in done.stderr


@pytest.mark.slow
def test_a_killed_training_resumes_to_the_same_end(whole: Path, folder: Path) -> None:
    home = folder / "killed"
    words = ["core.run", "+stage=train", *DATA, *TINY, "train.epochs=3"]
    settings = environment(folder, OMP_NUM_THREADS="1", HOOKLINE_HOME=str(home))
    begun = subprocess.Popen([sys.executable, "-m", *words, "hydra.run.dir=killed1"], cwd=folder, env=settings)
    deadline = time.monotonic() + 120
    while not (folder / "killed1" / "train" / ".state.pt").is_file():
        assert begun.poll() is None, "it ended before its first epoch was written"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    begun.send_signal(signal.SIGKILL)
    begun.wait()
    assert load(folder / "killed1" / "train" / "last.safetensors").names == ("circle", "square", "triangle")
    wanted = ["resume=true", "hydra.run.dir=killed2"]
    done = command(folder, *words, *wanted, HOOKLINE_HOME=str(home))
    assert done.returncode == 0, done.stderr
    assert "resuming after epoch" in done.stderr
    assert curve(folder / "killed2" / "train") == curve(whole)
    for name in ("best.safetensors", "last.safetensors"):
        assert (folder / "killed2" / "train" / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.slow
def test_two_runs_with_two_stores_train_once(whole: Path, folder: Path) -> None:
    """The state is in the cache, which they share."""
    settings = environment(folder, OMP_NUM_THREADS="1", HOOKLINE_HOME=str(folder / "shared"))
    words = [sys.executable, "-m", "core.run", "+stage=train", *DATA, *TINY, "train.epochs=3"]
    runs = [
        subprocess.Popen(
            [*words, f"store=store_{name}", f"hydra.run.dir=both_{name}"],
            cwd=folder,
            env=settings,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("a", "b")
    ]
    outputs = [run.communicate(timeout=240)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs
    assert sum("another run is training with the same options; waiting for it" in text for text in outputs) == 1
    assert sum("using the result of the run with the same options" in text for text in outputs) == 1
    assert sum("1/3 " in text for text in outputs) == 1
    for name in ("best.safetensors", "last.safetensors"):
        for run in ("a", "b"):
            assert (folder / f"both_{run}" / "train" / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.slow
def test_two_processes_leave_one_result(run: Run, folder: Path) -> None:
    torchrun = ["torch.distributed.run", "--nproc_per_node=2", "--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0"]
    words = ["-m", "core.run", "+stage=train", *DATA, *TINY, "train.epochs=1", "hydra.run.dir=two"]
    done = command(folder, *torchrun, *words, HOOKLINE_HOME=str(folder / "two_home"))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("plan:") == 1
    assert "training in 2 processes, 2 of them on this machine, with gloo: batch 8, 4 images per process" in done.stderr
    assert len(results(folder / "two" / "train")) == 1
    assert not list(folder.glob(".hydra"))


LATE = """
import os, time
time.sleep(3 * (os.environ.get("RANK") == os.environ["LATE"]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("late", ["0", "1"])
def test_a_mistake_of_all_processes_is_reported_once(folder: Path, late: str) -> None:
    """Whichever is the first to find it: torchrun ends the others as soon as one exits."""
    (folder / "late.py").write_text(LATE, encoding="utf-8")
    torchrun = ["torch.distributed.run", "--nproc_per_node=2", "--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0"]
    words = ["-m", "core.run", "+stage=train", *DATA, *TINY, "imgsz=70", "hydra.run.dir=two_wrong"]
    settings = {"HOOKLINE_HOME": str(folder / "two_home"), "HOOKLINE_PLUGINS": "late", "LATE": late}
    done = command(folder, *torchrun, *words, **settings)
    assert done.returncode != 0
    reported = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert [line.partition(";")[0] for line in reported] == [
        "error: imgsz=70 is not a multiple of the model's largest stride 32"
    ], done.stderr


ALONE = """
import os, time
from dataclasses import dataclass
from hookline import Artifact, HooklineError, RunContext, Stage, hookimpl

@dataclass
class Options:
    pass

def alone(config: Options, context: RunContext) -> Artifact:
    if os.environ["RANK"] == "0":
        time.sleep(60)  # waits for the other, as in a collective operation
    raise HooklineError("its GPU is gone")

@hookimpl
def hookline_stages():
    yield Stage(name="alone", summary="toy", run=alone, collective=True)
"""


@pytest.mark.slow
def test_what_stops_one_process_alone_is_reported_with_its_rank(folder: Path) -> None:
    (folder / "alone.py").write_text(ALONE, encoding="utf-8")
    torchrun = ["torch.distributed.run", "--nproc_per_node=2", "--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0"]
    words = ["-m", "core.run", "+stage=alone", "hydra.run.dir=two_alone"]
    settings = {"HOOKLINE_HOME": str(folder / "alone_home"), "HOOKLINE_PLUGINS": "alone"}
    done = command(folder, *torchrun, *words, **settings)
    assert "error: its GPU is gone (rank 1)" in done.stderr.splitlines(), done.stderr


def test_fine_tuning_says_what_was_transferred(run: Run, whole: Path) -> None:
    options = [
        f"weights={whole / 'best.safetensors'}",
        *TINY[2:],
        "train.epochs=1",
        "classes=circle",
        "train.freeze=10",
    ]
    done = run("+stage=train", *DATA, *options, "hydra.run.dir=tuned")
    assert done.returncode == 0, done.stderr
    assert "transferred 348 of 348 tensors, outputs of 3 of 3 classes by name" in done.stderr


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["weights=null"], "neither model= nor weights= is given"),
        (["weights=null", "model=yolov5q"], "unknown model 'yolov5q'"),
        (["weights=null", "model=yolov5n", "train.epochs=0"], "train.epochs=0 is out of range"),
        (["weights=null", "model=yolov5n", "train.mosaic=2"], "train.mosaic=2.0 is out of range"),
        (["weights=null", "model=yolov5n", "train.val_split=vall"], "has no split 'vall'"),
        (["weights=null", "model=yolov5n", "tracker=[cvs]"], "cvs"),
        (["weights=null", "model=yolov5n", "train.batch=many"], "train.batch=many is out of range"),
        (["weights=null", "model=yolov5n", "train.epohcs=3"], "'train.epohcs'; did you mean train.epochs"),
    ],
)  # fmt: skip
def test_mistakes_are_reported_in_one_line_before_anything_runs(run: Run, overrides: list[str], expected: str) -> None:
    done = run("+stage=train", *DATA, *overrides, "hydra.run.dir=mistake")
    assert done.returncode == 2
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert expected in errors[0]


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["imgsz=70"], "imgsz=70 is not a multiple of the model's largest stride 32"),
        (["resume=true", "train.epochs=77"], "no training with these options"),
        (["train.amp=fp16"], "amp=fp16 needs a CUDA GPU"),
        (["train.freeze=99"], "freeze=99"),
    ],
)
def test_mistakes_that_show_when_the_training_begins(run: Run, overrides: list[str], expected: str) -> None:
    done = run("+stage=train", *DATA, *TINY, *overrides, "hydra.run.dir=late")
    assert done.returncode == 2, done.stderr
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
