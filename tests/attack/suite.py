"""Runs many cases in several workers."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.attack.attempt import Job
from tests.attack.kinds import KINDS
from tests.support.packages import ROOT

Result = dict[str, Any]


def jobs(seed: int, *, only: Sequence[str] = (), each: int | None = None) -> list[Job]:
    """Return the cases of the whole suite, or ``each`` of every kind (0: every variant once)."""
    found = []
    for name, kind in KINDS.items():
        if only and name not in only:
            continue
        count = kind.cases if each is None else each or len(kind.variants)
        found += [Job(name, seed, number) for number in range(count)]
    return found


def run_all(
    wanted: Sequence[Job], workers: int, report: Callable[[Result], None], base: Path | None = None
) -> list[Result]:
    """Run the cases; ``report`` receives each result.

    Args:
        wanted: The cases.
        workers: How many run at once.
        report: Called with each result.
        base: Where the good files lie; made anew where None.
    """
    pending: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in wanted:
        pending.put(job)
    results: list[Result] = []
    lock = threading.Lock()
    with tempfile.TemporaryDirectory(prefix="attack-base-") as folder:
        root = base or Path(folder) / "base"
        first = _Worker(root)
        if not root.exists():
            first.ask("base 0 0")

        def work(worker: _Worker) -> None:
            while not pending.empty():
                try:
                    job = pending.get_nowait()
                except queue.Empty:
                    break
                result = worker.ask(f"{job.kind} {job.seed} {job.number}")
                with lock:
                    results.append(result)
                    report(result)
            worker.close()

        everyone = [first, *(_Worker(root) for _ in range(workers - 1))]
        threads = [threading.Thread(target=work, args=(worker,)) for worker in everyone]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if len(results) != len(wanted):
        raise RuntimeError(f"{len(wanted) - len(results)} cases were not run: a worker has ended, its message is above")
    return sorted(results, key=lambda result: (list(KINDS).index(result["job"]["kind"]), result["job"]["number"]))


class _Worker:
    """A process of :mod:`tests.attack.worker`."""

    def __init__(self, base: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.attack.worker", str(base)],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, line: str) -> Result:
        """Give it one case; returns its result."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the worker ended at the case '{line}'")
        result: Result = json.loads(answer)
        return result

    def close(self) -> None:
        """Let it end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
