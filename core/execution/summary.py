"""``summary.json``: the machine-readable result of a run, written by a lifecycle plugin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import HooklineError
from core.files.paths import output_path, write_file
from core.files.regular_file import read_regular
from core.masking import masked
from core.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from core.kinds.lifecycle import Summary


@hookimpl
def hookline_after_run(summary: Summary) -> None:
    """Write summary.json."""
    write_summary(summary)


_KEYS = {"summary.json": {"command", "stages", "versions"}, "status.json": {"state", "pid", "started"}}
"""Files that a run replaces, with the keys by which one of an earlier run is recognised."""


def check_replaced(run_dir: Path) -> None:
    """Refuse to replace a file that no run has written.

    Raises:
        HooklineError: A summary.json or status.json in the run's directory is a file of the user.
    """
    for name, keys in _KEYS.items():
        path = output_path(run_dir, name)
        if path.exists() and not _has_keys(path, keys):
            raise HooklineError(
                f"'{path}' was not written by hookline, and the run would replace it",
                "move it, or choose another directory with hydra.run.dir=",
            )


def _has_keys(path: Path, keys: set[str]) -> bool:
    try:
        return keys <= set(json.loads(read_regular(path)))
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def write_summary(summary: Summary) -> None:
    """Write ``summary.json`` atomically."""
    summary.written = True
    write_file(summary.path, (masked(json.dumps(summary.as_json(), indent=1)) + "\n").encode())
