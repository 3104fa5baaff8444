"""What a start loads: ``--help`` needs the descriptors of all plugins, and nothing that only a run needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MAX_OWN_MODULES = 140
"""Each module takes about a thousandth of the time of ``--help``. Load what a part or a run needs with the part or the
run (``load``, a check, a stage function) before you raise this number."""
OWN = frozenset({"core", "stages", "backends", "cuda_plugins", "conf", "hookline"})
RUN_ONLY = (
    "core.calibration", "core.data", "core.detections", "core.drawing", "core.evaluation", "core.execution.console",
    "core.execution.recorder", "core.execution.runner", "core.fetch", "core.inference", "core.kinds.building",
    "core.kinds.context", "core.kinds.lifecycle", "core.labels", "core.media.source", "core.media.tolerance",
    "core.planning.planner", "core.planning.resolve", "core.plugins.trial", "core.storage.metadata",
    "core.storage.store", "core.storage.validation", "core.tables", "backends.system.host", "backends.system.probing",
    "asyncio", "concurrent", "difflib", "logging", "multiprocessing", "platform", "shlex", "subprocess",
)  # fmt: skip
"""Packages and modules that ``--help`` does not need."""


@pytest.fixture(scope="module")
def loaded(repo_root: Path) -> frozenset[str]:
    """The modules in memory after ``--help``."""
    code = (
        "import sys; sys.argv = ['run', '--help']; from core.run import main; main();"
        "sys.stdout.flush(); print('loaded:', *sys.modules)"
    )
    clean = {name: value for name, value in os.environ.items() if name != "HOOKLINE_PLUGINS"}
    printed = subprocess.check_output([sys.executable, "-c", code], cwd=repo_root, env=clean, text=True)
    return frozenset(printed.rpartition("loaded: ")[2].split())


def test_help_loads_few_modules(loaded: frozenset[str]) -> None:
    own = sorted(name for name in loaded if name.partition(".")[0] in OWN)
    assert len(own) <= MAX_OWN_MODULES, own


def test_help_loads_nothing_that_only_a_run_needs(loaded: frozenset[str]) -> None:
    assert [name for name in sorted(loaded) if name.startswith(tuple(f"{item}." for item in RUN_ONLY))] == []
    assert sorted(loaded & set(RUN_ONLY)) == []


@pytest.mark.parametrize("enabled", [True, False])
def test_collection_of_garbage_is_paused_and_resumed(repo_root: Path, *, enabled: bool) -> None:
    code = (
        f"import gc; gc.{'enable' if enabled else 'disable'}(); import core.run;"
        "from core.process.garbage import collection_paused\n"
        "with collection_paused(): print(gc.isenabled())\n"
        "print(gc.isenabled(), gc.get_freeze_count() > 0)"
    )
    printed = subprocess.check_output([sys.executable, "-c", code], cwd=repo_root, text=True).split()
    assert printed == ["False", str(enabled), str(enabled)]
