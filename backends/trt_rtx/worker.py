"""The worker process of a build: reads a job as JSON from standard input, writes a plan, reports in JSON lines."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import IO

from backends.trt.builder_types import IBuilderConfig
from backends.trt.building import BuildSpec, build_plan
from backends.trt.library import Library, load
from backends.trt.monitor import BuildProgress
from backends.trt_rtx.process import REFUSED, Job
from backends.trt_rtx.targets import set_targets
from core.errors import HooklineError
from core.storage.serial import decode


class Reports:
    """Writes progress as JSON lines. If nobody reads them, the build stops."""

    def __init__(self, output: IO[str]) -> None:
        self.output = output
        self.progress = BuildProgress(self.begin)
        self._phase = ""

    def begin(self, note: str) -> None:
        """Report a new phase; ``note`` also contains the count of its steps."""
        phase = note.rpartition(" ")[0] if note[-1:].isdigit() else note
        if phase == self._phase:
            return
        self._phase = phase
        try:
            self.send(phase=phase)
        except OSError:
            self.progress.cancelled.set()

    def send(self, **message: str) -> None:
        """Write one message."""
        print(json.dumps(message), file=self.output, flush=True)


def main() -> int:
    """Build one engine. Return 0, or :data:`REFUSED` after a message with the user error."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    job = decode(Job, json.load(sys.stdin))
    reports = Reports(_private_output())
    try:
        _write(job.target, _build(load("tensorrt_rtx"), job, reports.progress))
    except HooklineError as error:
        reports.send(failed=error.message, hint=error.hint)
        return REFUSED
    return 0


def _build(library: Library, job: Job, progress: BuildProgress) -> bytes:
    def configure(config: IBuilderConfig) -> None:
        set_targets(library.trt, config, job.cards)
        if flag := getattr(library.trt.BuilderFlag, "REQUIRE_USER_ALLOCATION", None):
            config.set_flag(flag)  # engines allocate nothing: sessions set the scratch memory

    return build_plan(library, BuildSpec(job.model, job.profile, configure=configure), progress)


def _write(target: Path, plan: bytes) -> None:
    try:
        target.write_bytes(plan)
    except OSError as error:
        raise HooklineError(
            f"the engine of {len(plan) / 1e6:.0f} MB cannot be written to '{target}' ({error.strerror})",
            "free disk space, or set another folder: store=, hydra.run.dir=, or HOOKLINE_HOME for all",
        ) from error


def _private_output() -> IO[str]:
    """Return the standard output, for reports only; output of the library goes to standard error."""
    reports = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return reports


if __name__ == "__main__":
    sys.exit(main())
