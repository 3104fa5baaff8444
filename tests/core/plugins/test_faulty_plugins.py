"""A broken plugin affects only runs that need it: they are refused in one line, all others are unchanged."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from core.plugins.loading import load_plugins
from tests.support.commands import run_python
from tests.support.faulty_plugins import LOADING, RUNNING, Faulty

Command = Callable[..., "subprocess.CompletedProcess[str]"]
TOY = ("+stage=toy", "toy.train=2", "toy.val=1", "toy.imgsz=64")


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Run ``python -m ...`` in an empty folder."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        folder = tmp_path / "work"
        folder.mkdir(exist_ok=True)
        settings = {"HOOKLINE_HOME": str(tmp_path / "home")} | environment
        return run_python("-m", *arguments, cwd=folder, paths=[tmp_path], **settings)

    return run


def digests(folder: Path) -> list[str]:
    """The result of a run of the stage toy."""
    (summary,) = folder.glob("work/outputs/*/*/summary.json")
    return [stage["artifact"]["sha256"] for stage in json.loads(summary.read_text())["stages"]]


@pytest.mark.parametrize("plugin", LOADING, ids=lambda plugin: plugin.name)
def test_a_faulty_plugin_is_marked_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugin: Faulty
) -> None:
    plugin.write(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("HOOKLINE_PLUGINS", plugin.name)
    monkeypatch.setenv("HOOKLINE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(signal, "default_int_handler", None)  # as where core.run has its own handler
    for name in [name for name in sys.modules if name.startswith(plugin.name)]:
        monkeypatch.delitem(sys.modules, name)
    folder = Path.cwd()
    plugins = load_plugins()
    info = next(info for info in plugins.infos if info.name == plugin.name)
    assert (info.state, info.provides) == ("broken", ())
    assert plugin.reason in info.error
    assert plugin.place in info.error
    (line,) = plugins.registry.broken
    assert re.search(rf"\$HOOKLINE_PLUGINS [0-9a-f]{{12}} \(plugin '{plugin.name}'\)", line)
    assert len(line.splitlines()) == 1
    assert Path.cwd() == folder
    assert "json" in sys.modules
    assert [item.state for item in plugins.infos if item is not info and item.state != "loaded"] == []


def test_a_run_that_needs_none_of_them_goes_on_unchanged(command: Command, tmp_path: Path) -> None:
    plugins = [*LOADING, *RUNNING]
    for plugin in plugins:
        plugin.write(tmp_path)
    assert command("core.run", *TOY).returncode == 0
    expected = digests(tmp_path)
    for path in (tmp_path / "work").iterdir():
        path.rename(tmp_path / f"first-{path.name}")
    names = ":".join(plugin.name for plugin in plugins)
    result = command("core.run", *TOY, HOOKLINE_PLUGINS=names)
    assert result.returncode == 0, result.stderr
    assert digests(tmp_path) == expected
    lines = result.stderr.splitlines()
    for plugin in LOADING:
        (line,) = (line for line in lines if f"(plugin '{plugin.name}')" in line)
        assert line.startswith("warning: broken plugin: ")
        assert plugin.place in line
    assert [plugin.name for plugin in RUNNING if f"'{plugin.name}'" in result.stderr] == []
    assert "Traceback" not in result.stderr
    assert "faulty" not in result.stdout


@pytest.mark.parametrize(
    "plugin", [item for item in (*LOADING, *RUNNING) if item.needs], ids=lambda plugin: plugin.name
)
def test_a_run_that_needs_it_is_refused_in_one_line(command: Command, tmp_path: Path, plugin: Faulty) -> None:
    plugin.write(tmp_path)
    result = command("core.run", *plugin.needs.split(), HOOKLINE_PLUGINS=plugin.name)
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("error: "))
    assert plugin.reason in line
    assert plugin.name in line
    assert "$HOOKLINE_PLUGINS" in line
    assert f"disable the plugin with plugins.disable=[{plugin.name}]" in line


def test_all_of_them_are_listed_with_the_reason(command: Command, tmp_path: Path) -> None:
    for plugin in LOADING:
        plugin.write(tmp_path)
    result = command("core.plugins", "--json", HOOKLINE_PLUGINS=":".join(plugin.name for plugin in LOADING))
    assert result.returncode == 1
    infos = {info["name"]: info for info in json.loads(result.stdout)}
    assert {plugin.name: infos[plugin.name]["state"] for plugin in LOADING} == dict.fromkeys(
        (plugin.name for plugin in LOADING), "broken"
    )


def test_those_that_are_disabled_are_not_warned_of(command: Command, tmp_path: Path) -> None:
    chosen = [plugin for plugin in LOADING if plugin.name.startswith("import_")]
    for plugin in chosen:
        plugin.write(tmp_path)
    names = [plugin.name for plugin in chosen]
    result = command("core.run", *TOY, f"plugins.disable=[{','.join(names)}]", HOOKLINE_PLUGINS=":".join(names))
    assert result.returncode == 0
    assert "plugin" not in result.stderr


CHOSEN = {"opt_annotation", "hook_middle", "import_exits", "part_available"}
INSTALLED = [item for item in LOADING if item.name in CHOSEN]


def install(folder: Path, distribution: str, version: str, entry: str) -> None:
    """Write the metadata that pip writes."""
    metadata = folder / f"{distribution}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    (metadata / "entry_points.txt").write_text(f"[hookline]\n{entry}\n")


def test_faulty_distributions_are_named_with_their_version(command: Command, tmp_path: Path) -> None:
    """Installed packages, as pip writes them: a module, and metadata with an entry point."""
    for number, plugin in enumerate(INSTALLED):
        plugin.write(tmp_path)
        install(tmp_path, f"hookline_{plugin.name}", f"1.{number}", f"plug-{plugin.name} = {plugin.name}")
    result = command("core.run", *TOY)
    assert result.returncode == 0, result.stderr
    for number, plugin in enumerate(INSTALLED):
        (line,) = (line for line in result.stderr.splitlines() if plugin.name in line)
        assert f"broken plugin: hookline_{plugin.name} 1.{number} (plugin 'plug-{plugin.name}'): " in line
        assert plugin.reason in line
        assert plugin.place in line
        assert line.endswith(f"; disable the plugin with plugins.disable=[plug-{plugin.name}]")


def test_two_distributions_with_one_plugin_name(command: Command, tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / f"{name}.py").write_text("from core.plugins.hookspecs import hookimpl\n")
        install(tmp_path, name, "1", f"same = {name}")
    infos = [item for item in json.loads(command("core.plugins", "--json").stdout) if item["name"] == "same"]
    assert sorted(item["state"] for item in infos) == ["broken", "loaded"]
    (first, second) = sorted(infos, key=lambda item: str(item["state"]), reverse=True)
    assert f"a plugin of {first['distribution']} 1 already has this name" in second["error"]
    assert f"{second['distribution']}.py:1" in second["error"]


BUG = """
@dataclass
class Options: ...
def run(config: Options, context) -> Metrics:
    return {}["figure"]  # HERE
@hookimpl
def hookline_stages():
    yield Stage(name="buggy", summary="", run=run, automatic=False)
"""


def test_a_bug_of_a_stage_keeps_its_traceback_and_is_named(command: Command, tmp_path: Path) -> None:
    plugin = Faulty("buggy", BUG, "KeyError")
    plugin.write(tmp_path)
    result = command("core.run", "+stage=buggy", HOOKLINE_PLUGINS="buggy")
    assert result.returncode == 1
    assert "Traceback" in result.stderr
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("warning: "))
    assert "stage 'buggy' failed in code of $HOOKLINE_PLUGINS" in line
    assert f"(plugin 'buggy'): KeyError: 'figure' ({tmp_path}/{plugin.place})" in line


AUTOMATIC = """
@dataclass
class Options:
    size: int = shared("max_det")
    def __post_init__(self):
        if isinstance(self.size, int) and self.size > 300:
            raise ValueError("too many")
def given(config):
    raise KeyError("given")
def select(config, context):
    raise KeyError("select")
def run(config: Options, context) -> Checkpoint | OnnxModel: ...
@hookimpl
def hookline_stages():
    yield Stage(name="eager", summary="", run=run, given=given, select=select)
"""


def test_an_automatic_stage_that_fails_is_left_out_of_the_plans_of_others(command: Command, tmp_path: Path) -> None:
    plugin = Faulty("eager", "from core.artifacts import Checkpoint\n" + AUTOMATIC, "")
    plugin.write(tmp_path)
    result = command("core.run", "+stage=export", "weights=nowhere.pt", HOOKLINE_PLUGINS="eager")
    assert result.returncode == 2
    assert "error: weights 'nowhere.pt'" in result.stderr
    assert "select of Stage 'eager': KeyError: 'select'" in result.stderr
    assert "Traceback" not in result.stderr


def test_options_that_refuse_a_value_of_the_user_leave_out_only_their_plugin(command: Command, tmp_path: Path) -> None:
    plugin = Faulty("eager", "from core.artifacts import Checkpoint\n" + AUTOMATIC, "")
    plugin.write(tmp_path)
    result = command("core.run", *TOY, "max_det=301", HOOKLINE_PLUGINS="eager")
    assert result.returncode == 0, result.stderr
    assert "options of 'eager': " in result.stderr
    assert "too many" in result.stderr


def test_options_that_refuse_a_value_of_the_user_name_their_plugin_where_it_is_needed(
    command: Command, tmp_path: Path
) -> None:
    Faulty("eager", "from core.artifacts import Checkpoint\n" + AUTOMATIC, "").write(tmp_path)
    result = command("core.run", "+stage=eager", "max_det=301", HOOKLINE_PLUGINS="eager")
    assert result.returncode == 2
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("error: "))
    assert "(plugin 'eager'): options of 'eager': ValueError: too many" in line
    assert "Traceback" not in result.stderr


FAMILY = """
@dataclass
class Options:
    oddness: int = 1
    def __post_init__(self):
        if self.oddness > 1:
            raise KeyError("odd")  # HERE
@hookimpl
def hookline_models():
    yield ModelFamily(name="odd", summary="", load=print, head=print, training=Options)
"""


def test_training_options_that_refuse_a_value_leave_out_only_their_plugin(command: Command, tmp_path: Path) -> None:
    plugin = Faulty("odd", FAMILY, "")
    plugin.write(tmp_path)
    assert "warning" not in command("core.run", *TOY, HOOKLINE_PLUGINS="odd").stderr
    result = command("core.run", *TOY, "train.oddness=2", HOOKLINE_PLUGINS="odd")
    assert result.returncode == 0, result.stderr
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("warning: "))
    assert "(plugin 'odd'): training options of the model family 'odd': KeyError: 'odd'" in line
    assert plugin.place in line
