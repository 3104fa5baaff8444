"""Runs in their own process group, and the inputs and stores that the cases of kill_runs share."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tests.support.kill_scenarios import Place, Scenario, environment, write_inputs

LIMIT_SECONDS, POLL_SECONDS = 180.0, 0.005


class Command:
    """A run in its own process group, with its output in a file."""

    def __init__(self, arguments: Sequence[str] | str, place: Place, log: Path) -> None:
        self._log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                arguments,
                cwd=place.root,
                env=environment(place),
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                shell=isinstance(arguments, str),
            )

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def send(self, number: signal.Signals) -> None:
        """Send SIGTERM to the process, other signals to its group, as a terminal or the kernel does."""
        with suppress(ProcessLookupError):
            if number is signal.SIGTERM:
                self.process.send_signal(number)
            else:
                os.killpg(self.process.pid, number)

    def wait(self, seconds: float) -> int | None:
        """Return the exit code; None if it did not end in time and was killed."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            self._end_group()

    def _end_group(self) -> None:
        with suppress(ProcessLookupError):
            while True:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.poll()
                time.sleep(POLL_SECONDS)


class Material:
    """Shared by scenarios: their input files, and the prepared stores of their cases.

    Args:
        folder: The folder for inputs, stores and cases.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.inputs = folder, folder / "inputs"
        self.inputs.mkdir(parents=True)
        write_inputs(self.inputs)
        self._prepared = dict[tuple[str, ...], Path]()

    def prepared(self, scenario: Scenario) -> Path | None:
        """Return the folder in which the preparing command of a scenario has run; None without one."""
        words = scenario.prepare
        if words and words not in self._prepared:
            place = Place(self.folder / f"prepared{len(self._prepared)}")
            place.root.mkdir()
            command = Command(scenario.command(words, place, self.inputs), place, place.root / "prepare.log")
            assert command.wait(LIMIT_SECONDS) == 0, command.log
            self._prepared[words] = place.root
        return self._prepared.get(words)
