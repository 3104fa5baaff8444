"""hookline.testing, and the tests in docs/python.md."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from hookline import Availability, Calibrator, HooklineError, Precision, Runtime, Stage, hookimpl, testing
from tests.hookline.test_outside_code import blocks

ALWAYS = Availability(usable=True, reason="always")


@dataclass
class ChipOptions:
    cores: int = 1


class Chip:
    """A plugin that is an object."""

    @hookimpl
    def hookline_runtimes(self) -> list[Runtime]:
        return [
            Runtime(
                name="chip",
                summary="",
                load=lambda options: SimpleNamespace(options=options),
                options=ChipOptions,
                available=lambda: ALWAYS,
                device="cpu",
                precisions=frozenset({Precision.int8}),
            )
        ]


class Twice:
    @hookimpl
    def hookline_calibrators(self) -> list[Calibrator]:
        return [Calibrator(name="minmax", summary="", load=print)]


class Wrong:
    @hookimpl
    def hookline_calibrators(self) -> list[object]:
        return ["minmax"]


class Misspelt:
    @hookimpl
    def hookline_calibraters(self) -> list[object]:
        return []


class Raising:
    @hookimpl
    def hookline_calibrators(self) -> list[object]:
        raise KeyError("gone")


class Unmarked:
    def hookline_calibrators(self) -> list[object]:
        return []


def test_a_plugin_is_loaded_alone() -> None:
    registry = testing.load(Chip())
    assert list(registry.parts("runtimes")) == ["chip"]
    assert not registry.parts("stages")
    shipped = testing.load(Chip(), shipped=True)
    assert {"chip", "onnxruntime"} <= set(shipped.parts("runtimes"))
    assert isinstance(shipped.parts("stages")["export"], Stage)


@pytest.mark.parametrize(
    ("plugin", "problem"),
    [
        (Twice(), "the calibrator 'minmax' belongs to hookline"),
        (Wrong(), "hookline_calibrators must yield Calibrator, not str 'minmax'"),
        (Misspelt(), "unknown hook 'hookline_calibraters'; did you mean hookline_calibrators"),
        (Raising(), r"KeyError: 'gone'"),
        (Unmarked(), "'hookline_calibrators' is not marked with @hookimpl"),
    ],
)
def test_what_is_wrong_with_a_plugin_is_raised_with_its_place(plugin: object, problem: str) -> None:
    with pytest.raises(HooklineError, match=problem) as caught:
        testing.load(plugin, shipped=True)
    assert "test_testing.py" in str(caught.value)


def test_a_context_gives_parts_with_their_options_and_keeps_what_is_reported(tmp_path: Path) -> None:
    recorder = testing.Recorder()
    context = testing.context(tmp_path, Chip(), options={("runtimes", "chip"): ChipOptions(4)}, reporter=recorder)
    assert context.runtime("chip").options == ChipOptions(4)  # type: ignore[attr-defined]
    assert testing.context(tmp_path, Chip()).runtime("chip").options == ChipOptions()  # type: ignore[attr-defined]
    context.note("a")
    context.warn("b")
    context.figures({"loss": 1.0})
    with context.progress("work", 3) as progress:
        progress.advance(2)
    assert (recorder.notes, recorder.warnings, recorder.values) == (["a"], ["b"], {"loss": 1.0})
    assert (recorder.titles, recorder.steps) == (["work"], 2)
    assert context.workdir.is_dir()


def test_a_run_stays_in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    before = dict(os.environ)
    data = testing.tiny_dataset(tmp_path / "folder")
    assert data.is_file()
    again = testing.run("+stage=toy", *testing.TINY, folder=tmp_path / "folder")
    assert [stage.status for stage in again.summary.stages] == ["reused"]
    assert list((tmp_path / "here").iterdir()) == []
    assert sorted(item.name for item in (tmp_path / "folder").iterdir()) == ["home", "runs"]
    assert dict(os.environ) == before


def test_a_run_takes_plugins_that_are_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "from hookline import Calibrator, hookimpl\n@hookimpl\ndef hookline_calibrators():\n"
    (tmp_path / "uninstalled.py").write_text(code + "    yield Calibrator(name='mine', summary='', load=print)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("uninstalled")
    for plugin in (module, "uninstalled"):
        with pytest.raises(HooklineError, match="did you mean mine"):
            testing.run("+stage=calibrate", "calibrator=minne", folder=tmp_path, plugins=[plugin])
    with pytest.raises(HooklineError, match="unknown calibrator 'mine'"):
        testing.run("+stage=calibrate", "calibrator=mine", folder=tmp_path)


@pytest.mark.slow
def test_the_tests_of_the_page_pass(repo_root: Path, tmp_path: Path) -> None:
    (plugin,) = (code for code in blocks(repo_root / "README.md") if code.startswith("# mine.py"))
    (tests,) = (code for code in blocks(repo_root / "docs" / "python.md") if code.startswith("# test_blur.py"))
    (tmp_path / "mine.py").write_text(plugin)
    (tmp_path / "test_blur.py").write_text(tests)
    path = os.pathsep.join([str(repo_root), str(tmp_path)])
    line = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_blur.py"]
    settings = os.environ | {"PYTHONPATH": path}
    done = subprocess.run(line, cwd=tmp_path, env=settings, capture_output=True, text=True, check=False)
    assert "3 passed" in done.stdout, done.stdout
