"""Start the worker process that builds an engine, and follow its progress."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from backends.trt.settings import SizeProfile
from core.errors import HooklineError


@dataclass(frozen=True)
class Job:
    """The job of a worker process.

    Attributes:
        model: The ONNX file.
        target: The plan file to write.
        cards: Compute capabilities, for example ``sm89``; empty leaves the choice to TensorRT-RTX.
        profile: The optimisation profile; None if all shapes are static.
    """

    model: Path
    target: Path
    cards: tuple[str, ...] = ()
    profile: SizeProfile | None = None


WORKER = "backends.trt_rtx.worker"
REFUSED = 3
"""Exit code of a worker that has reported a user error."""
QUOTED_LINES = 3
"""Maximum number of lines of the native log that an error quotes."""

Listener = Callable[[Mapping[str, str]], None]
"""Called with each message of the worker: ``{"phase": ..., "done": ...}`` or ``{"warning": ...}``."""


def run_worker(job: Mapping[str, object], title: str, listen: Listener, *, worker: str = WORKER) -> None:
    """Run ``job`` in a new Python process and pass on its messages until it ends.

    The process ends when this function returns or raises, also after Ctrl-C.

    Args:
        job: JSON values, which the worker reads from its standard input.
        title: The model, for messages.
        listen: Called with each message.
        worker: The module to run.

    Raises:
        HooklineError: The worker refused the job, or the library crashed; quotes the end of its log.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        refusal = _follow(_start(worker, job, log), listen, log, title)
    if refusal is not None:
        raise HooklineError(str(refusal["failed"]), str(refusal["hint"]))


def _start(worker: str, job: Mapping[str, object], log: IO[str]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", worker],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": _python_path()},
    )
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(job))
        process.stdin.close()
    except BrokenPipeError:  # the worker has ended; its log has the reason
        pass
    return process


def _follow(process: subprocess.Popen[str], listen: Listener, log: IO[str], title: str) -> Mapping[str, str] | None:
    """Pass on messages until the process ends. Return its refusal, if there is one."""
    assert process.stdout is not None
    refusal = None
    try:
        for line in process.stdout:
            message = json.loads(line)
            if "failed" in message:
                refusal = message
            else:
                listen(message)
        code = process.wait()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    if code and not (code == REFUSED and refusal):
        raise _crashed(code, log, title)
    return refusal


def _crashed(code: int, log: IO[str], title: str) -> HooklineError:
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    log.seek(0)
    lines = [" ".join(line.split()) for line in log if line.strip()]
    quoted = f": {' | '.join(lines[-QUOTED_LINES:])}" if lines else ""
    return HooklineError(
        f"TensorRT-RTX ended with {how} while it built {title}{quoted}",
        "if memory ran out, build a smaller batch or size; otherwise install another release of tensorrt-rtx-cu13",
    )


def _python_path() -> str:
    """Return the PYTHONPATH of the worker, so that it finds hookline installed or not."""
    root = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
