from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from core.artifacts import Artifact
from core.errors import HooklineError, UnavailableError
from core.execution.resuming import command_after, resume_command
from core.kinds.lifecycle import Step
from core.kinds.stage import Stage
from core.storage.incomplete import MARKER
from tests.support.hostile_names import file_name
from tests.support.shells import shell_words


def run(config: object) -> Artifact: ...


STAGE = Stage(name="predict", summary="", run=run, stored=False, incremental=True, resumable=lambda config: config != 0)
STEP = Step(STAGE, config=1, requested=True, inputs={}, provides=Artifact, parts=())
NAMES = ("plain", "a b", "a'b", "a\\b", "a\\", "a\\'", "\\\\'", "$x", "${x}", "\\${x}", "a=b", "[a]", "{a}", "é", "\n")


def directory_in(command: str) -> str:
    """Return the directory in the printed command as a shell and Hydra read it."""
    words = shell_words(command)
    (word,) = [word for word in words if word.startswith("hydra.run.dir=")]
    config = OmegaConf.create({"directory": None})
    OmegaConf.update(config, "directory", OverridesParser.create().parse_override(word).value())
    return str(config.directory)


@pytest.mark.parametrize("name", NAMES)
def test_the_printed_command_names_the_directory_of_the_run(name: str) -> None:
    path = Path("/runs") / name
    assert directory_in(resume_command(["+stage=predict", "hydra.run.dir=old"], STEP, path)) == str(path)


def test_a_stage_without_state_is_repeated() -> None:
    command = resume_command(["+stage=predict", "hydra.run.dir=old"], replace(STEP, config=0), Path("/runs/new"))
    assert command == "python -m core.run +stage=predict hydra.run.dir=old"


def test_the_printed_command_names_any_directory() -> None:
    chance = random.Random(0)
    for _ in range(200):
        name = file_name(chance)
        path = Path("/runs") / (name + chance.choice(("", "\\", "'", "\\'")))
        assert directory_in(resume_command([], STEP, path)) == str(path)


ASKED, STOP, SKIP, HERE = "+stage=predict", "predict.on_error=stop", "predict.on_error=skip", "hydra.run.dir=<run>"
DAMAGED = HooklineError("damaged", retry=(SKIP,))
FULL = HooklineError("no space left on the disk")
FULL.__cause__ = OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("error", "state", "kept", "expected"),
    [
        (KeyboardInterrupt(), True, False, [ASKED, STOP, "imgsz=64", HERE, "resume=true"]),
        (KeyboardInterrupt(), False, False, [ASKED, STOP, "imgsz=64"]),
        (OSError(28, "No space left on device"), True, False, [ASKED, STOP, "imgsz=64", HERE, "resume=true"]),
        (FULL, False, False, [ASKED, STOP, "imgsz=64"]),
        (DAMAGED, True, True, [ASKED, "imgsz=64", HERE, SKIP, "resume=true"]),
        (DAMAGED, False, False, [ASKED, "imgsz=64", SKIP]),
        (HooklineError("wrong"), True, True, [ASKED, STOP, "imgsz=64", HERE, "resume=true"]),
        (HooklineError("wrong"), True, False, []),
        (HooklineError("wrong"), False, False, []),
        (UnavailableError("no GPU"), False, False, []),
        (ZeroDivisionError(), True, False, []),
    ],
)
def test_the_command_after_an_error(
    tmp_path: Path, error: BaseException, *, state: bool, kept: bool, expected: list[str]
) -> None:
    if state:
        (tmp_path / "predict").mkdir()
        (tmp_path / "predict" / MARKER).touch()
    line = command_after([ASKED, STOP, "imgsz=64"], error, STEP, tmp_path, kept=kept)
    words = [word.replace(str(tmp_path), "<run>") for word in shell_words(line)[3:]] if line else []
    assert words == expected


@pytest.mark.parametrize(("error", "expected"), [(KeyboardInterrupt(), True), (HooklineError("wrong"), False)])
def test_before_the_first_stage(tmp_path: Path, error: BaseException, *, expected: bool) -> None:
    assert bool(command_after(["+stage=predict"], error, None, tmp_path)) == expected
