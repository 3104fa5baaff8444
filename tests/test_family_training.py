"""Training options of a model family from a plugin: listing, errors, and the values that its trainer receives."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.backends.yolov5.official_files import P5, write_official
from tests.support.commands import run_hookline
from tests.support.dataset_tools import write_dataset

FAMILY = '''
from dataclasses import dataclass
from typing import Annotated

from core.errors import HooklineError
from core.plugins.hookspecs import hookimpl
from core.kinds.model import ModelFamily
from core.options.ranges import PositiveFloat, Range


@dataclass(frozen=True)
class Options:
    """How a {name} is trained.

    Attributes:
        focal: Exponent of the focal loss.
        lr0: Learning rate.
    """

    focal: Annotated[float, Range(0, 5)] = 2.0
    lr0: {annotation} = 0.5


class Trainer:
    def train(self, job):
        own = job.options_as(Options)
        raise HooklineError(f"{{own}} epochs={{job.epochs}} batch={{job.batch}} hours={{job.hours}}")


@hookimpl
def hookline_models():
    yield ModelFamily(
        name="{name}", summary="toy", load=lambda: Trainer(), variants=("{name}_s",), strides={{"{name}_s": 32}},
        training={training}, head=lambda facts, layout: None,
    )
'''
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("families")
    write_dataset(folder / "set", {split: {"a": [(0, 0.5, 0.5, 0.5, 0.5)]} for split in ("train", "val")})
    families = (
        ("outside", "PositiveFloat", "Options"),
        ("clash", "float", "Options"),
        ("fixed", "float", "None"),
    )
    for name, annotation, training in families:
        text = FAMILY.format(name=name, annotation=annotation, training=training)
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def run(folder: Path, tmp_path: Path) -> Run:
    """``+stage=train`` of the real program with the plugins named."""

    def call(*words: str, plugins: str = "outside") -> subprocess.CompletedProcess[str]:
        fixed = [
            "+stage=train", f"data={folder}/set/data.yaml", "imgsz=64", "processor=opencv", "device=cpu",
            f"hydra.run.dir={tmp_path}/run", f"store={tmp_path}/store",
        ]  # fmt: skip
        settings = {"HOOKLINE_PLUGINS": plugins, "OMP_NUM_THREADS": "1"}
        return run_hookline(*fixed, *words, cwd=tmp_path, paths=[folder], **settings)

    return call


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    """Why a run ended: a user error."""
    assert done.returncode == 2, done.stderr
    return next(line for line in done.stderr.splitlines() if line.startswith("error: ")).removeprefix("error: ")


def test_help_lists_the_options_under_a_heading_of_the_family(run: Run) -> None:
    text = run("--help").stdout
    own, _, others = text.partition("options of train for models of the family yolov5:\n")
    yolov5, _, outside = others.partition("options of train for models of the family outside:\n")
    assert "  train.epochs=100 " in own
    assert "lr0" not in own
    assert re.search(r"^  train.lr0=0.01 .*\(above 0\)$", yolov5, re.MULTILINE)
    assert re.search(r"^  train.mosaic=1.0 .*\(0 to 1\)$", yolov5, re.MULTILINE)
    assert [line.split()[0] for line in outside.split("\n\n")[0].splitlines()] == ["train.focal=2.0", "train.lr0=0.5"]


def test_the_trainer_gets_its_own_dataclass(run: Run) -> None:
    words = ("model=outside_s", "weights=null", "train.batch=auto", "train.time=2")
    line = last_line(run(*words, "train.focal=1"))
    assert line == "Options(focal=1.0, lr0=0.5) epochs=100 batch=None hours=2.0"
    assert last_line(run(*words, "train.lr0=0.1")).startswith("Options(focal=2.0, lr0=0.1)")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ("model=outside_s", "train.mosaic=1.0"),
            "train.mosaic is an option of the family yolov5, but this model is of outside",
        ),
        (
            ("model=yolov5n", "train.focal=1"),
            "train.focal is an option of the family outside, but this model is of yolov5",
        ),
        (("model=yolov5n", "train.focl=1"), "unknown option 'train.focl'; did you mean train.focal?"),
        (("model=yolov5n", "train.focal=x"), "train.focal=x is not a number; possible: 0 to 5"),
        (("model=outside_s", "train.focal=6"), "train.focal=6.0 is out of range; possible: 0 to 5"),
    ],
)
def test_what_is_refused_before_anything_runs(run: Run, tmp_path: Path, words: tuple[str, ...], line: str) -> None:
    assert last_line(run("weights=null", *words)).startswith(line)
    assert not (tmp_path / "run").exists()


def test_weights_that_say_late_of_which_family_they_are(run: Run, tmp_path: Path) -> None:
    write_official(tmp_path / "best.pt", P5)
    weights = f"weights={tmp_path}/best.pt"
    line = last_line(run(weights, "train.focal=1"))
    assert line.startswith("train.focal is an option of the family outside, but this model is of yolov5; remove the")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert [item["name"] for item in summary["stages"]] == ["dataset", "load"]
    line = last_line(run(weights, "model=outside_s", f"hydra.run.dir={tmp_path}/second"))
    assert line.startswith(
        "'best.safetensors' has weights of the family 'yolov5', but model=outside_s belongs to 'outside'"
    )


def test_a_family_that_cannot_be_trained(run: Run) -> None:
    line = last_line(run("model=fixed_s", "weights=null", plugins="fixed:outside"))
    assert (
        line
        == "the model family 'fixed' cannot be trained; choose a network of another family; possible: yolov5, outside"
    )


def test_a_plugin_whose_options_do_not_go_together_is_broken(run: Run, folder: Path) -> None:
    """It stops nobody else, and the message has its file and line."""
    done = run("model=outside_s", "weights=null", plugins="outside:clash")
    assert last_line(done).startswith("Options(focal=2.0, lr0=0.5)")
    (broken,) = [line for line in done.stderr.splitlines() if "broken plugin" in line]
    assert "(plugin 'clash')" in broken
    assert "'lr0' of the family 'clash' is float, but 'yolov5' declares float (above 0)" in broken
    assert f"({folder}/clash.py:11)" in broken


def test_a_plugin_whose_options_cannot_be_used_is_broken(run: Run, folder: Path) -> None:
    text = (folder / "outside.py").read_text().replace("outside", "wrong")
    (folder / "wrong.py").write_text(text.replace("focal: Annotated[float, Range(0, 5)] = 2.0", "focal: complex = 2j"))
    (broken,) = [line for line in run("--help", plugins="wrong").stdout.splitlines() if "broken plugin" in line]
    assert "training options of the model family 'wrong': " in broken
    assert f"({folder}/wrong.py:11)" in broken
