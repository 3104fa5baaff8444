"""Progress of a build, and its end when the user wants it: made at run time, since the base lies in TensorRT."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from types import ModuleType
from typing import TypeVar

from core.reporting import ignore

T = TypeVar("T")
POLL = 0.2
"""Seconds after which the program looks whether the user wants to stop."""


class BuildProgress:
    """Where a build stands; called by TensorRT from any of its threads."""

    def __init__(self, report: Callable[[str], object] = ignore) -> None:
        self.cancelled = threading.Event()
        self._report = report
        self._phases: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def begin(self, phase: str, steps: int) -> None:
        """A phase of ``steps`` steps begins."""
        with self._lock:
            self._phases[phase] = (0, steps)
            self._tell()

    def step(self, phase: str, step: int) -> bool:
        """A step is done; false ends the build."""
        with self._lock:
            _, steps = self._phases.get(phase, (0, 0))
            self._phases[phase] = (step + 1, steps)
            self._tell()
        return not self.cancelled.is_set()

    def end(self, phase: str) -> None:
        """A phase is over."""
        with self._lock:
            self._phases.pop(phase, None)
            self._tell()

    def _tell(self) -> None:
        """The innermost phase, the last that began."""
        if not self._phases:
            return
        phase, (done, steps) = next(reversed(self._phases.items()))
        self._report(f"{phase} {done}/{steps}" if steps > 1 else phase)


def make_monitor(trt: ModuleType, course: BuildProgress) -> object:
    """An ``IProgressMonitor`` that tells ``course``; keep it until the builder is gone."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:  # noqa: ARG002
            course.begin(phase_name, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            return course.step(phase_name, step)

        def phase_finish(self, phase_name: str) -> None:
            course.end(phase_name)

    return Monitor()


def cancellable(work: Callable[[], T], course: BuildProgress) -> T:
    """Do ``work`` in a thread, so that Ctrl-C is heard while native code runs; it then ends at the next step.

    Raises:
        KeyboardInterrupt: The user ended it; ``work`` has returned by then.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="build") as pool:
        future = pool.submit(work)
        try:
            while not future.done():
                wait([future], POLL)
        except BaseException:
            course.cancelled.set()
            raise  # leaving the pool waits for the work
        return future.result()
