"""Results of a stage that did not finish: how they are marked, and how a run finds them again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from core.errors import HooklineError
from core.output_paths import write_file

MARKER = "incomplete.json"
"""In the directory of a stage's results as long as they are not complete."""


def mark(folder: Path, stage: str, key: str, reason: str = "", values: Mapping[str, float] | None = None) -> None:
    """Mark the results in ``folder`` as incomplete.

    Args:
        folder: The stage's directory.
        stage: Its name.
        key: Digest of all that shapes the results, as for the store.
        reason: Why the stage failed; empty while it runs, and after it was killed.
        values: Counts of what is finished.
    """
    content = {"stage": stage, "key": key, "reason": reason, "values": dict(values or {})}
    write_file(folder / MARKER, (json.dumps(content, indent=1) + "\n").encode())


def unmark(folder: Path) -> None:
    """Say that the results in ``folder`` are complete."""
    (folder / MARKER).unlink(missing_ok=True)


def interrupted(run_dir: Path, stage: str, key: str) -> Path | None:
    """Return the directory in ``run_dir`` with the latest incomplete results of a stage, None where there is none.

    Raises:
        HooklineError: They were made with other options, weights or versions than ``key`` stands for.
    """
    folders = [run_dir / stage, *run_dir.glob(f"{stage}-*")]
    markers = [folder / MARKER for folder in folders if (folder / MARKER).is_file() and not folder.is_symlink()]
    if not markers:
        return None
    latest = max(markers, key=lambda marker: marker.stat().st_mtime_ns)
    if _read(latest).get("key") != key:
        raise HooklineError(
            f"the incomplete results in '{latest.parent}' were made with other options, weights or versions",
            "repeat the command of that run with resume=true, or leave resume=true out to start again",
        )
    return latest.parent


def _read(marker: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        content = json.loads(marker.read_text(encoding="utf-8"))
        if isinstance(content, dict):
            return content
    return {}
