"""How plugins are called: by pluggy, in time, without their output among the results, and with a trial that is kept."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.config.explain import unknown_option
from core.containment import calls as containment
from core.containment.calls import PluginError, contained
from core.containment.parts import guarded
from core.errors import HooklineError
from core.kinds.lookup import Origin
from core.kinds.stage import Stage
from core.model_facts import InputContract
from core.plugins import trial
from core.plugins.discovery import PluginInfo, Plugins
from core.plugins.loading import load_plugins
from core.plugins.registry import Registry
from core.selection.choosing import best_part
from core.storage.metadata import OnnxSignature
from tests.support import grid_family, toys

Load = Callable[..., Plugins]
HEAD = """\
from dataclasses import dataclass, replace
from core.artifacts import Metrics; from core.model_facts import Precision
from core.plugins.hookspecs import hookimpl
from core.kinds.part import Availability
from core.kinds.calibrator import Calibrator
from core.kinds.runtime import Runtime
from core.kinds.stage import Stage
"""
CALIBRATOR = "@hookimpl\ndef hookline_calibrators():\n    yield Calibrator(name='{0}', summary='{0}', load=print)\n"
RUNTIME = """
def asked(device="auto"):
    return []
def usable():
    return Availability(True, "always")
{0}
@hookimpl
def hookline_runtimes():
    yield Runtime(name="slow", summary="", load=print, available=usable, check_device=asked, device="cpu",
        precisions=frozenset({{Precision.fp32}}), rank=10_000)
"""
OUTSIDE = Origin("mine", "hookline-mine", "1.0", "mine")


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load single-file plugins, given as their code by name."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("HOOKLINE_HOME", str(tmp_path / "home"))

    def call(**bodies: str) -> Plugins:
        for name, body in bodies.items():
            (tmp_path / f"{name}.py").write_text(HEAD + textwrap.dedent(body))
            monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.setenv("HOOKLINE_PLUGINS", ":".join(bodies))
        return load_plugins()

    return call


def info(plugins: Plugins, name: str) -> PluginInfo:
    return next(item for item in plugins.infos if item.name == name)


# --- hooks go through pluggy ----------------------------------------------------------------------


def test_wrappers_and_order_of_lifecycle_hooks(load: Load) -> None:
    plugins = load(
        order="SEEN = []\n",
        early="import order\n@hookimpl(tryfirst=True)\ndef hookline_before_run():\n    order.SEEN.append('early')\n",
        around="import order\n@hookimpl(wrapper=True)\ndef hookline_before_run(plan):\n"
        "    order.SEEN.append('enter')\n    result = yield\n    order.SEEN.append('leave')\n    return result\n",
        old="import order\n@hookimpl(hookwrapper=True)\ndef hookline_before_run(plan):\n"
        "    order.SEEN.append('old')\n    yield\n    order.SEEN.append('old left')\n",
        late="import order\n@hookimpl(trylast=True)\ndef hookline_before_run(plan):\n    order.SEEN.append('late')\n",
        plain="import order\n@hookimpl\ndef hookline_before_run():\n    order.SEEN.append('plain')\n",
    )
    seen: list[str] = vars(sys.modules["order"])["SEEN"]
    for name in ("core.execution.observers", "core.execution.summary"):
        plugins.manager.unregister(name=name)
    plugins.manager.hook.hookline_before_run(plan=None)
    assert seen == ["old", "enter", "early", "plain", "late", "leave", "old left"]


def test_a_wrapper_of_a_registration_hook_sees_the_parts_of_each_plugin(load: Load) -> None:
    plugins = load(
        wrap="@hookimpl(wrapper=True)\ndef hookline_calibrators():\n    results = yield\n"
        "    return [[replace(part, summary='wrapped') if part.name == 'mine' else part for part in result]\n"
        "        for result in results]\n",
        mine=CALIBRATOR.format("mine"),
    )
    registry = plugins.registry
    assert registry.part("calibrators", "mine").summary == "wrapped"
    assert registry.part("calibrators", "minmax").summary != "wrapped"
    assert registry.origin("calibrators", "minmax").version == registry.origin("stages", "toy").version
    assert re.fullmatch(r"\w{12}, changed by .*'wrap'\)", registry.origin("calibrators", "mine").version)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("    raise KeyError('before')\n    yield\n", "KeyError: 'before'"),
        ("    yield\n    raise KeyError('after')\n", "KeyError: 'after'"),
        ("    yield\n    return None\n", "the wrapper must return the list of results, not None"),
        ("    yield\n    yield\n", "a wrapper must yield once"),
        ("    return []\n    yield\n", "StopIteration"),
    ],
)
@pytest.mark.parametrize("way", ["wrapper", "hookwrapper"])
def test_a_wrapper_that_fails_changes_nothing_and_is_named(load: Load, body: str, reason: str, way: str) -> None:
    if way == "hookwrapper" and "None" in reason:
        body, reason = "    outcome = yield\n    outcome.force_result(3)\n", "not 3"
    plugins = load(wrap=f"@hookimpl({way}=True)\ndef hookline_calibrators():\n{body}", mine=CALIBRATOR.format("mine"))
    assert {"mine", "minmax"} <= set(plugins.registry.parts("calibrators"))
    assert plugins.registry.broken == []
    lines = [line for line in plugins.warnings if "'wrap'" in line]
    assert lines
    assert all(reason in line and "hookline_calibrators" in line and "wrap.py" in line for line in lines)


def test_the_order_of_registration_does_not_decide_which_part_is_taken(load: Load) -> None:
    for hook in ("@hookimpl", "@hookimpl(tryfirst=True)"):
        body = CALIBRATOR.format("minmax").replace("@hookimpl", hook)
        plugins = load(mine=body)
        assert plugins.registry.origin("calibrators", "minmax").distribution == "hookline"
        assert info(plugins, "mine").state == "broken"


def test_of_two_outside_plugins_with_one_part_the_later_is_broken(load: Load) -> None:
    plugins = load(one=CALIBRATOR.format("mine"), two=CALIBRATOR.format("mine"))
    assert info(plugins, "one").state == "loaded"
    assert "the calibrator 'mine' belongs to $HOOKLINE_PLUGINS" in info(plugins, "two").error
    assert "(plugin 'one')" in info(plugins, "two").error


def test_a_broken_plugin_keeps_none_of_its_parts(load: Load) -> None:
    plugins = load(
        mine=CALIBRATOR.format("good") + "@hookimpl\ndef hookline_stages():\n    yield 1\n"
        "@hookimpl\ndef hookline_before_run():\n    raise KeyError\n"
    )
    assert "good" not in plugins.registry.parts("calibrators")
    plugins.manager.hook.hookline_before_run(plan=None)
    assert plugins.warnings == []


def test_the_message_for_a_lost_part_names_its_plugin(load: Load) -> None:
    plugins = load(
        other="raise KeyError\n",
        mine=CALIBRATOR.format("good") + CALIBRATOR.format("minmax").replace("calibrators", "stages"),
    )
    plugins = load(mine=CALIBRATOR.format("good").replace("summary='good'", "summary=3"), other="raise KeyError\n")
    with pytest.raises(
        HooklineError,
        match=r"the calibrator 'good' cannot be used: its plugin is broken: .*'mine'.*summary must be str",
    ):
        plugins.registry.get(type(plugins.registry.part("calibrators", "minmax")), "good")


def test_the_message_for_an_option_of_a_part_says_whether_its_plugin_is_missing_broken_or_disabled(load: Load) -> None:
    broken = CALIBRATOR.format("good").replace("summary='good'", "summary=3")
    registry = load(mine=broken).registry
    assert re.search(
        r"the calibrator 'good' cannot be used: its plugin is broken: .*'mine'.*summary must be str",
        str(unknown_option("calibrators.good.x", registry)),
    )
    registry.disabled = ("other",)
    text = str(unknown_option("calibrators.minimax.x", registry))
    assert text.startswith(
        "unknown option 'calibrators.minimax.x': no installed calibrator is named 'minimax'; did you mean minmax?"
        " installed: entropy, minmax, percentile; it may belong to a broken plugin: "
    )
    assert text.endswith("; plugins.disable=[other] may exclude it")


def test_an_unmarked_hook_is_warned_of(load: Load) -> None:
    plugins = load(mine="def hookline_stages():\n    yield 1\ndef helper(): ...\n")
    (line,) = plugins.warnings
    assert "plugin 'mine'" in line
    assert re.search(r"'hookline_stages' is not marked with @hookimpl and is never called \(.*mine\.py:8\)", line)
    assert info(plugins, "mine").state == "loaded"
    assert len(info(plugins, "mine").warnings) == 1


# --- time ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    ["import time\ndef usable():\n    time.sleep(60)\n", "import time\ndef asked(device):\n    time.sleep(60)\n"],
)
def test_a_part_that_does_not_answer_in_time_is_broken(load: Load, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    monkeypatch.setattr(containment, "LIMIT", 0.2)
    start = time.monotonic()
    plugins = load(mine=RUNTIME.format(body))
    assert time.monotonic() - start < 5
    assert "did not return within 0.2 s" in info(plugins, "mine").error
    assert "mine.py" in info(plugins, "mine").error


def test_a_part_that_fails_later_is_passed_over_and_named(load: Load, tmp_path: Path) -> None:
    body = "USED = []\ndef usable():\n    USED.append(1)\n    return Availability(1 // (2 - len(USED)) == 1, '')\n"
    plugins = load(mine=RUNTIME.format(body))
    assert info(plugins, "mine").state == "loaded"
    context = toys.context(tmp_path, plugins.registry)
    assert best_part("runtimes", context)[0] != "slow"
    (line,) = toys_warnings(context)
    assert "available of Runtime 'slow': ZeroDivisionError" in line
    assert "mine.py:" in line


def toys_warnings(context: object) -> list[str]:
    return context.reporter.warnings  # type: ignore[attr-defined,no-any-return]


# --- interruptions ------------------------------------------------------------------------------


def test_what_a_plugin_raises_is_reported_from_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt), contained(OUTSIDE, "x"):
        signal.raise_signal(signal.SIGINT)  # Python's own handler: as in a script without core.run
    monkeypatch.setattr(signal, "default_int_handler", None)
    with (
        pytest.raises(PluginError, match=r"hookline-mine 1\.0 \(plugin 'mine'\): x: KeyboardInterrupt"),
        contained(OUTSIDE, "x"),
    ):
        raise KeyboardInterrupt


INTERRUPTED = """
import os, signal, sys, time
from core.process.signals import end_by_exception
end_by_exception(signal.SIGINT)
from core.containment.calls import contained
from core.kinds.lookup import Origin; from core.plugins.registry import Registry
with contained(Origin("mine", "mine", "1", "mine"), "x"):
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
    except KeyboardInterrupt:
        sys.exit("hidden")
"""


def test_a_plugin_that_hides_ctrl_c_does_not(repo_root: Path) -> None:
    line = [sys.executable, "-c", INTERRUPTED]
    result = subprocess.run(line, cwd=repo_root, capture_output=True, text=True, check=False)
    assert result.returncode in {-signal.SIGINT, 1}
    assert result.stderr.strip().splitlines()[-1] == "KeyboardInterrupt"


HANGING = """
import os, signal, sys, threading
from core.process import signals
signals.MAX_IMPORT_SECONDS = 0.5
signals.end_by_exception(signal.SIGINT)
threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
import hanging
"""


def test_ctrl_c_ends_an_import_that_hangs(tmp_path: Path, repo_root: Path) -> None:
    (tmp_path / "hanging.py").write_text("import time\nwhile True:\n    time.sleep(0.01)\n")
    settings = os.environ | {"PYTHONPATH": f"{tmp_path}:{repo_root}"}
    line = [sys.executable, "-c", HANGING]
    result = subprocess.run(line, env=settings, capture_output=True, text=True, check=False, timeout=60)
    assert result.stderr.strip().splitlines()[-1] == "KeyboardInterrupt"


# --- output -------------------------------------------------------------------------------------

NOISY = """
import os, subprocess, sys
KEPT = sys.stderr
print("at import")
os.write(1, b"to descriptor 1\\n")
os.write(2, b"to descriptor 2\\n")
subprocess.run(["echo", "of a child"])
@dataclass
class Options: ...
def run(config: Options, context) -> Metrics:
    print("in the stage")
    os.write(1, b"stage to descriptor 1\\n")
    print("on a kept stream", file=KEPT)
    target = context.workdir / "result.txt"
    target.write_text("x")
    return Metrics(path=target, values={"figure": 1.0})
@hookimpl
def hookline_stages():
    print("in the hook")
    yield Stage(name="noisy", summary="", run=run, automatic=False)
@hookimpl
def hookline_before_run():
    print("observing")
"""


def test_what_a_plugin_prints_is_named_and_not_among_the_results(tmp_path: Path, repo_root: Path) -> None:
    (tmp_path / "loud.py").write_text(HEAD + NOISY)
    settings = os.environ | {
        "PYTHONPATH": f"{tmp_path}:{repo_root}",
        "HOOKLINE_PLUGINS": "loud",
        "HOOKLINE_HOME": str(tmp_path / "home"),
    }
    line = [sys.executable, "-m", "core.run", "+stage=noisy"]
    result = subprocess.run(line, cwd=tmp_path, env=settings, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert not [
        word for word in ("import", "descriptor", "child", "hook", "observing", "kept") if word in result.stdout
    ]
    lines = result.stderr.splitlines()
    for text in ("at import", "to descriptor 1", "to descriptor 2", "of a child", "in the hook", "observing"):
        assert f"[loud] {text}" in lines
    assert "[loud] in the stage" in lines
    assert "stage to descriptor 1" in lines
    assert "[loud] on a kept stream" in lines
    (log,) = tmp_path.glob("outputs/*/*/run.log")
    assert "[loud] in the stage" in log.read_text()
    assert "[loud] observing" in log.read_text()
    listed = subprocess.run(
        [sys.executable, "-m", "core.plugins", "--json"], cwd=tmp_path, env=settings, capture_output=True, check=False
    )
    assert next(item for item in json.loads(listed.stdout) if item["name"] == "loud")["state"] == "loaded"


# --- the trial is kept --------------------------------------------------------------------------


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the parts that were tried."""
    names: list[str] = []
    real = trial.try_parts

    def watched(parts: list[Any], *more: Any) -> None:
        names.extend(part.name for _, part, _ in parts)
        real(parts, *more)

    monkeypatch.setattr(trial, "try_parts", watched)
    return names


def test_a_passed_trial_is_not_repeated_until_the_code_changes(load: Load, tried: list[str]) -> None:
    load(mine=CALIBRATOR.format("first"))
    load()
    plugin = {"mine": CALIBRATOR.format("second")}
    load(**plugin)
    assert tried == ["first", "second"]


def test_a_trial_of_the_same_files_is_taken_from_the_cache(
    load: Load, tried: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(mine=CALIBRATOR.format("first"))
    (entry,) = (tmp_path / "home" / "plugins").iterdir()
    load_plugins()
    assert tried == ["first"]
    entry.write_bytes(entry.read_bytes()[:-3])  # damage
    load_plugins()
    assert tried == ["first", "first"]
    entry.unlink()
    entry.mkdir()  # cannot be written: tried each time
    assert info(load_plugins(), "mine").state == "loaded"
    assert tried == ["first", "first", "first"]
    assert [item.name for item in entry.parent.iterdir()] == [entry.name]


def test_a_failed_trial_is_repeated(load: Load, tried: list[str]) -> None:
    body = CALIBRATOR.format("null")
    load(mine=body)
    load_plugins()
    assert tried == ["null", "null"]


def test_shipped_plugins_pass_the_trial() -> None:
    registry = load_plugins().registry
    names = [(kind, name) for kind in ("stages", *trial.PART_KINDS) for name in registry.parts(kind)]
    trial.try_parts([(kind, registry.part(kind, name), "") for kind, name in names], OUTSIDE, Registry())


# --- where modules are found --------------------------------------------------------------------


def test_the_script_finds_modules_in_the_working_directory(tmp_path: Path, repo_root: Path) -> None:
    (tmp_path / "mine.py").write_text(HEAD + CALIBRATOR.format("mine"))
    script = (
        "import sys; sys.path[:] = [path for path in sys.path if path]; from core.run import main; sys.exit(main())"
    )
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "hookline").write_text(script)
    settings = os.environ | {
        "PYTHONPATH": str(repo_root),
        "HOOKLINE_PLUGINS": "mine",
        "HOOKLINE_HOME": str(tmp_path / "home"),
    }
    for line in ([sys.executable, "bin/hookline"], [sys.executable, "-m", "core.run"]):
        result = subprocess.run(
            [*line, "+stage=toy", "calibrator=mine", "--cfg", "job"],
            cwd=tmp_path,
            env=settings,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0
        assert "broken" not in result.stderr
        listed = subprocess.run(
            [*line, "--help"], cwd=tmp_path, env=settings, capture_output=True, text=True, check=False
        )
        assert "broken plugin" not in listed.stdout


def test_what_a_family_recognises_is_checked() -> None:
    family = grid_family.family(name="odd", recognise=lambda: "yes")
    part = guarded(family, Origin("odd", "hookline-odd", "1", "hookline_odd"))
    with pytest.raises(PluginError, match="recognise of ModelFamily 'odd': must return a ModelMetadata or None"):
        part.recognise(OnnxSignature("x", InputContract(1, 64, 64), {}, {}))


@pytest.mark.parametrize(
    ("function", "wrong", "right", "reason"),
    [
        ("settle", [None, toys.Plain, {"text": "a"}], [toys.Plain("a")], r"must return the options \(a dataclass\)"),
        ("supplement", [5, "chart.png"], [None, print], r"must return a function or None"),
    ],
)
def test_what_a_stage_settles_and_supplements_is_checked(
    function: str, wrong: list[Any], right: list[Any], reason: str
) -> None:
    def returning(value: object) -> Any:
        made = Stage(name="odd", summary="", run=print, **{function: lambda: value})  # type: ignore[arg-type]
        return getattr(guarded(made, OUTSIDE), function)

    for value in wrong:
        with pytest.raises(PluginError, match=rf"{function} of Stage 'odd': {reason}, not .*test_plugin_calls\.py:\d+"):
            returning(value)()
    assert [returning(value)() for value in right] == right
