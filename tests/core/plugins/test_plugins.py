"""Plugins: real third-party packages, broken ones, clashes, switches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from core.plugins.discovery import BUILTINS
from core.plugins.loading import load_plugins
from tests.support.plugin_tools import install

Python = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def installed(repo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the packages of tests/plugins."""
    return install(["hookline-sharpen", "hookline-broken"], tmp_path_factory.mktemp("plugins"))


@pytest.fixture
def python(installed: Path, repo_root: Path, tmp_path: Path) -> Python:
    """Run ``python -m ...`` in an empty folder with those packages on the path."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        paths = os.pathsep.join([str(installed), str(repo_root), environment.pop("PYTHONPATH", "")])
        settings = os.environ | {"PYTHONPATH": paths, "HOOKLINE_HOME": str(tmp_path / "home")} | environment
        return subprocess.run(
            [sys.executable, "-m", *arguments], cwd=tmp_path, env=settings, capture_output=True, text=True, check=False
        )

    return run


def test_all_builtins_load() -> None:
    infos = {info.name: info for info in load_plugins().infos}
    assert {name: infos[name].error for name in BUILTINS if infos[name].state != "loaded"} == {}


def test_installed_package_brings_stage_calibrator_and_yaml(python: Python) -> None:
    result = python("core.plugins", "--json")
    infos = {info["name"]: info for info in json.loads(result.stdout)}
    sharpen = infos["sharpen"]
    assert (sharpen["state"], sharpen["distribution"], sharpen["version"]) == ("loaded", "hookline-sharpen", "0.3.0")
    assert sharpen["provides"] == ["stages: sharpen", "calibrators: sigma"]
    composed = python("core.run", "+stage=sharpen_hard", "--cfg", "job")
    assert "strength: 2.0" in composed.stdout, composed.stderr


def test_broken_package_is_named_and_does_not_stop_others(python: Python) -> None:
    result = python("core.plugins", "--json")
    broken = next(info for info in json.loads(result.stdout) if info["state"] == "broken")
    assert result.returncode == 1
    assert (broken["distribution"], broken["version"]) == ("hookline-broken", "1.2.3")
    assert "libbroken.so.3" in broken["error"]
    assert "hookline_broken.py:3" in broken["error"]


def test_broken_package_is_reported_when_a_name_is_not_found(python: Python) -> None:
    result = python("core.run", "+stage=shapren")
    assert result.returncode == 2
    line = result.stderr.strip().splitlines()[-1]
    assert "unknown stage 'shapren'; did you mean sharpen?" in line
    assert "hookline-broken 1.2.3" in line
    assert "disable the plugin with plugins.disable=[broken]" in line


def test_disable(python: Python) -> None:
    result = python("core.run", "+stage=sharpen", "plugins.disable=[broken,sharpen]")
    assert result.returncode == 2
    assert "unknown stage 'sharpen'" in result.stderr
    assert "broken plugin" not in result.stderr


def test_disabling_an_unknown_plugin_is_an_error(python: Python) -> None:
    result = python("core.run", "+stage=build", "plugins.disable=[sharpem]")
    assert result.returncode == 2
    assert "unknown plugin in plugins.disable 'sharpem'; did you mean sharpen?" in result.stderr


def write_plugin(folder: Path, body: str) -> str:
    (folder / "one_file.py").write_text("from core.plugins.hookspecs import hookimpl\nfrom hookline import *\n" + body)
    return str(folder)


def test_single_file_plugin_by_environment(python: Python, tmp_path: Path) -> None:
    path = write_plugin(
        tmp_path, "@hookimpl\ndef hookline_calibrators():\n    yield Calibrator(name='mine', summary='', load=print)\n"
    )
    result = python("core.plugins", "--json", PYTHONPATH=path, HOOKLINE_PLUGINS="one_file")
    info = next(info for info in json.loads(result.stdout) if info["name"] == "one_file")
    assert (info["state"], info["provides"]) == ("loaded", ["calibrators: mine"])


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (
            "@hookimpl\ndef hookline_stagse():\n    yield 1\n",
            "unknown hook 'hookline_stagse'; did you mean hookline_stages",
        ),
        ("@hookimpl\ndef hookline_stages(cfg):\n    yield 1\n", "cfg"),
        ("@hookimpl\ndef hookline_stages():\n    yield 1\n", "hookline_stages must yield Stage, not int 1"),
        ("@hookimpl\ndef hookline_stages():\n    raise KeyError('gone')\n", "KeyError: 'gone'"),
    ],
)
def test_plugin_authors_mistakes_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, error: str
) -> None:
    monkeypatch.syspath_prepend(write_plugin(tmp_path, body))
    monkeypatch.setenv("HOOKLINE_PLUGINS", "one_file")
    monkeypatch.delitem(sys.modules, "one_file", raising=False)
    info = next(info for info in load_plugins().infos if info.name == "one_file")
    assert info.state == "broken"
    assert error in info.error
    assert "one_file.py" in info.error


def test_a_shipped_name_is_never_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "@hookimpl\ndef hookline_calibrators():\n    yield Calibrator(name='minmax', summary='', load=print)\n"
    monkeypatch.syspath_prepend(write_plugin(tmp_path, body))
    monkeypatch.setenv("HOOKLINE_PLUGINS", "one_file")
    monkeypatch.delitem(sys.modules, "one_file", raising=False)
    plugins = load_plugins()
    info = next(info for info in plugins.infos if info.name == "one_file")
    assert info.state == "broken"
    assert "the calibrator 'minmax' belongs to hookline" in info.error
    assert plugins.registry.origin("calibrators", "minmax").distribution == "hookline"


def test_of_two_plugins_with_one_yaml_path_the_later_is_broken(python: Python, tmp_path: Path) -> None:
    (tmp_path / "other" / "stage").mkdir(parents=True)
    (tmp_path / "other" / "__init__.py").touch()
    (tmp_path / "other" / "stage" / "sharpen_hard.yaml").write_text("{}\n")
    path = write_plugin(tmp_path, "@hookimpl\ndef hookline_conf():\n    yield 'other'\n")
    result = python("core.plugins", "--json", PYTHONPATH=path, HOOKLINE_PLUGINS="one_file")
    states = {info["name"]: (info["state"], info["error"]) for info in json.loads(result.stdout)}
    assert states["sharpen"] == ("loaded", "")
    assert "plugins 'sharpen' and 'one_file' both ship the YAML file 'stage/sharpen_hard.yaml'" in states["one_file"][1]
    assert "sharpen_hard.yaml:1" in states["one_file"][1]
