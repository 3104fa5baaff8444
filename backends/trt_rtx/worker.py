"""The process that builds: reads a job as JSON from standard input, writes a plan file, reports in JSON lines."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import IO, Any

from backends.trt_rtx.building import build_plan
from backends.trt_rtx.process import REFUSED
from core.errors import HooklineError


def main() -> int:
    """Build one engine; 0, or :data:`REFUSED` when the last line says what is wrong."""
    job = json.load(sys.stdin)
    reports = _private_output()
    try:
        plan = build_plan(job, lambda **message: _report(reports, **message))
        _write(Path(job["target"]), plan)
    except HooklineError as error:
        _report(reports, failed=error.message, hint=error.hint)
        return REFUSED
    return 0


def _private_output() -> IO[str]:
    """The standard output for reports alone; what the library prints joins its log on standard error."""
    reports = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return reports


def _write(target: Path, plan: bytes) -> None:
    try:
        target.write_bytes(plan)
    except OSError as error:
        raise HooklineError(
            f"the engine of {len(plan) / 1e6:.0f} MB cannot be written to '{target}' ({error.strerror})",
            "make room, or write elsewhere: store=, hydra.run.dir=, or HOOKLINE_HOME for all",
        ) from error


def _report(reports: IO[str], **message: Any) -> None:
    print(json.dumps(message), file=reports, flush=True)


if __name__ == "__main__":
    sys.exit(main())
