"""The process that builds: reads a job as JSON from standard input, writes a plan file, reports in JSON lines."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import IO

from backends.trt.bindings import IBuilderConfig
from backends.trt.building import BuildSpec, build_plan
from backends.trt.library import Library, load
from backends.trt.monitor import BuildProgress
from backends.trt_rtx.engine import REFUSED, Job
from backends.trt_rtx.targets import set_targets
from core.errors import HooklineError
from core.storage.serial import decode


class Reports:
    """Progress in lines for the program that waits; without it the build ends."""

    def __init__(self, output: IO[str]) -> None:
        self.output = output
        self.course = BuildProgress(self.begin)
        self._phase = ""

    def begin(self, note: str) -> None:
        """Write the name of a phase when it begins; ``note`` also counts its steps."""
        phase = note.rpartition(" ")[0] if note[-1:].isdigit() else note
        if phase == self._phase:
            return
        self._phase = phase
        try:
            self.tell(phase=phase)
        except OSError:
            self.course.cancelled.set()

    def tell(self, **message: str) -> None:
        """Write one line."""
        print(json.dumps(message), file=self.output, flush=True)


def main() -> int:
    """Build one engine; 0, or :data:`REFUSED` when the last line says what is wrong."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    job = decode(Job, json.load(sys.stdin))
    reports = Reports(_private_output())
    try:
        _write(job.target, _build(load("tensorrt_rtx"), job, reports.course))
    except HooklineError as error:
        reports.tell(failed=error.message, hint=error.hint)
        return REFUSED
    return 0


def _build(library: Library, job: Job, course: BuildProgress) -> bytes:
    def configure(config: IBuilderConfig) -> None:
        set_targets(library.trt, config, job.cards)
        if flag := getattr(library.trt.BuilderFlag, "REQUIRE_USER_ALLOCATION", None):
            config.set_flag(flag)  # sessions give it the memory that it says it needs, and it takes no more

    return build_plan(library, BuildSpec(job.model, job.profile, configure=configure), course)


def _write(target: Path, plan: bytes) -> None:
    try:
        target.write_bytes(plan)
    except OSError as error:
        raise HooklineError(
            f"the engine of {len(plan) / 1e6:.0f} MB cannot be written to '{target}' ({error.strerror})",
            "make room, or write elsewhere: store=, hydra.run.dir=, or HOOKLINE_HOME for all",
        ) from error


def _private_output() -> IO[str]:
    """The standard output for reports alone; what the library prints joins its log on standard error."""
    reports = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return reports


if __name__ == "__main__":
    sys.exit(main())
