"""Report the progress of a build, and stop it on Ctrl-C."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from types import ModuleType
from typing import TypeVar

from core.reporting import ignore

T = TypeVar("T")
POLL = 0.2
"""Seconds between two checks for an interrupt."""


class BuildProgress:
    """The progress of a build. TensorRT calls the methods from any of its threads."""

    def __init__(self, report: Callable[[str], object] = ignore) -> None:
        self.cancelled = threading.Event()
        self._report = report
        self._phases: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def begin(self, phase: str, steps: int) -> None:
        """Start a phase of ``steps`` steps."""
        with self._lock:
            self._phases[phase] = (0, steps)
            self._report_phase()

    def step(self, phase: str, step: int) -> bool:
        """Finish a step. Return false to stop the build."""
        with self._lock:
            _, steps = self._phases.get(phase, (0, 0))
            self._phases[phase] = (step + 1, steps)
            self._report_phase()
        return not self.cancelled.is_set()

    def end(self, phase: str) -> None:
        """Finish a phase."""
        with self._lock:
            self._phases.pop(phase, None)
            self._report_phase()

    def _report_phase(self) -> None:
        """Report the innermost phase: the one that started last."""
        if not self._phases:
            return
        phase, (done, steps) = next(reversed(self._phases.items()))
        self._report(f"{phase} {done}/{steps}" if steps > 1 else phase)


def make_monitor(trt: ModuleType, progress: BuildProgress) -> object:
    """Return an ``IProgressMonitor`` that updates ``progress``. Keep it until the builder is deleted."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:  # noqa: ARG002
            progress.begin(phase_name, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            return progress.step(phase_name, step)

        def phase_finish(self, phase_name: str) -> None:
            progress.end(phase_name)

    return Monitor()


def cancellable(work: Callable[[], T], progress: BuildProgress) -> T:
    """Run ``work`` in a thread, so that Ctrl-C is handled while native code runs; the build stops at its next step.

    Raises:
        KeyboardInterrupt: The user stopped the build; ``work`` has returned.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="build") as pool:
        future = pool.submit(work)
        try:
            while not future.done():
                wait([future], POLL)
        except BaseException:
            progress.cancelled.set()
            raise  # leaving the pool waits for the work
        return future.result()
