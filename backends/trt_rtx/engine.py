"""Build engines in a process of their own: job, process, artifact."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from backends.trt.library import load
from backends.trt.settings import SizeProfile, read_profile
from backends.trt_rtx.opening import CARDS, RUNTIME, this_release, try_out
from backends.trt_rtx.options import TrtRtxOptions
from backends.trt_rtx.targets import read_targets
from core.artifacts import Engine
from core.errors import HooklineError
from core.kinds.building import BuildJob
from core.storage.serial import encode


@dataclass(frozen=True)
class Job:
    """One engine to build.

    Attributes:
        model: The ONNX file.
        target: The plan file to write.
        cards: Compute capabilities, e.g. ``sm89``; none leaves the choice to TensorRT-RTX.
        profile: Sizes of the input, None where they are static.
    """

    model: Path
    target: Path
    cards: tuple[str, ...] = ()
    profile: SizeProfile | None = None


WORKER = "backends.trt_rtx.worker"
REFUSED = 3
"""Exit code of a worker that has told what is wrong."""
TAIL = 3
"""Lines of the native log that an error quotes."""

Listener = Callable[[Mapping[str, str]], None]
"""Gets each message of the worker: ``{"phase": ..., "done": ...}`` or ``{"warning": ...}``."""


def run_worker(job: Mapping[str, object], title: str, listen: Listener, *, worker: str = WORKER) -> None:
    """Carry out ``job`` in a new Python process and pass on what it reports until it has finished.

    The process ends with this function, however it is left: Ctrl-C leaves none behind.

    Args:
        job: JSON values; the worker reads them from its standard input.
        title: What is built, for messages.
        listen: Called with each message.
        worker: Module to run.

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
    except BrokenPipeError:  # it has ended already: its log says why
        pass
    return process


def _follow(process: subprocess.Popen[str], listen: Listener, log: IO[str], title: str) -> Mapping[str, str] | None:
    """Pass on messages until the process ends; the last one, where it says what was wrong."""
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
    said = f": {' | '.join(lines[-TAIL:])}" if lines else ""
    return HooklineError(
        f"TensorRT-RTX ended with {how} while it built {title}{said}",
        "if memory ran out, build a smaller batch or size; else build with another release of tensorrt-rtx-cu13",
    )


def _python_path() -> str:
    """Where the worker finds this package, installed or not."""
    root = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))


def build_engine(job: BuildJob, options: TrtRtxOptions) -> Engine:
    """Build the plan in a process of its own.

    Raises:
        HooklineError: The model needs a plugin, TensorRT-RTX does not take it, or its library crashed.
    """
    model, target = job.model, job.target
    if model.operators:
        raise HooklineError(
            f"'{model.path.name}' needs the plugin {', '.join(model.operators)}, and TensorRT-RTX takes none",
            "graft with grafts.yolo_layer.namespace=hookline, or with decode=onnx",
        )
    cards = read_targets(options.compute_capabilities, load(RUNTIME).trt, job.device)
    profile, contract = read_profile(model, job.batch, job.imgsz)
    work = Job(model.path, target, cards, profile)
    with job.reporter.progress(f"build {target.name}") as progress:
        run_worker(encode(work), f"'{model.path.name}'", lambda message: progress.advance(note=message["phase"]))
    engine = Engine(
        path=target,
        notes=model.notes,
        facts=model.facts,
        contract=contract,
        layout=model.layout,
        precision=model.precision,
        runtime=RUNTIME,
        score_threshold=model.score_threshold,
        machine={
            **this_release(),
            CARDS: ",".join(cards),
            "profile": str(profile or ""),
            "system": platform.platform(terse=True),
        },
    )
    try_out(engine, job)
    return engine
