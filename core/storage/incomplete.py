"""Incomplete results of a stage: their marker, and the search for them in a run's directory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from core.errors import HooklineError
from core.files.paths import write_file
from core.storage.serial import Json

MARKER = "incomplete.json"
"""File in the directory of a stage's results until they are complete."""


@dataclass(frozen=True)
class IncompleteWork:
    """Identity of the results of a stage, to compare two runs.

    Attributes:
        stage: Name of the stage.
        key: The key of the store: digest of everything that affects the results.
        options: The options in the key, as JSON values.
    """

    stage: str
    key: str
    options: Mapping[str, Json]


def mark(folder: Path, work: IncompleteWork, reason: str = "", values: Mapping[str, float] | None = None) -> None:
    """Mark the results in ``folder`` as incomplete.

    Args:
        folder: The stage's directory.
        work: Identity of the results.
        reason: Why the stage failed; empty while it runs, and after it was killed.
        values: Counts of the finished results.
    """
    content = {**asdict(work), "reason": reason, "values": dict(values or {})}
    write_file(folder / MARKER, (json.dumps(content, indent=1) + "\n").encode())


def unmark(folder: Path) -> None:
    """Mark the results in ``folder`` as complete."""
    (folder / MARKER).unlink(missing_ok=True)


def latest(run_dir: Path, stage: str) -> Path | None:
    """Return the directory in ``run_dir`` with the latest incomplete results of a stage; None without any."""
    folders = [run_dir / stage, *run_dir.glob(f"{stage}-*")]
    markers = [folder / MARKER for folder in folders if (folder / MARKER).is_file() and not folder.is_symlink()]
    return max(markers, key=lambda marker: marker.stat().st_mtime_ns).parent if markers else None


def interrupted(run_dir: Path, work: IncompleteWork) -> Path | None:
    """Return the directory with the latest incomplete results of ``work``; None without any.

    Raises:
        HooklineError: They were made with other options, weights or versions.
    """
    folder = latest(run_dir, work.stage)
    if folder is None:
        return None
    previous = _read(folder / MARKER)
    if previous.get("key") != work.key:
        raise HooklineError(
            f"the incomplete results in '{folder}' were made with {_difference(previous.get('options'), work)}",
            "resume with the options of that run, or remove resume=true to start again",
        )
    return folder


def same_work(run_dir: Path, work: IncompleteWork) -> Path | None:
    """Return the directory with the latest incomplete results of the stage, if their key is that of ``work``."""
    folder = latest(run_dir, work.stage)
    return folder if folder is not None and _read(folder / MARKER).get("key") == work.key else None


def _difference(previous: Json, work: IncompleteWork) -> str:
    """Return the differing options in the marker as text."""
    if isinstance(previous, dict):
        names = [name for name, value in work.options.items() if previous.get(name, value) != value]
        if names:
            return ", ".join(
                f"{work.stage}.{name}={json.dumps(previous[name])}, not {json.dumps(work.options[name])}"
                for name in names
            )
    return "other options, weights or versions"


def _read(marker: Path) -> Mapping[str, Json]:
    with suppress(OSError, ValueError):
        content = json.loads(marker.read_text(encoding="utf-8"))
        if isinstance(content, dict):
            return content
    return {}
