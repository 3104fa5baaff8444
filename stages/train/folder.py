"""The folder that a training keeps from epoch to epoch, so that an interrupted run can be gone on with."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from core.errors import HooklineError
from core.training import STATE

FINISHED = "finished"


class TrainingFolder:
    """One folder for each set of options, data and starting weights.

    Args:
        path: Where it is, or will be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def prepare(self, *, resume: bool, leader: bool, note: Callable[[str], None]) -> bool:
        """Make the folder ready; gives whether there is a state to go on with.

        The leader alone changes anything and complains. What it does makes or removes no state that others see.

        Raises:
            HooklineError: Resumption is asked for, and there is nothing to resume.
        """
        found = (self.path / STATE).is_file()
        if not leader:
            return resume and found
        if resume and not found and self.path.is_dir():
            note("the interrupted run had not finished an epoch: begins anew")
            resume = False
        if resume and not found:
            raise HooklineError(
                "resume=true, but no training with these options, data and weights was interrupted",
                "repeat the command of the interrupted run with resume=true added and nothing else changed",
            )
        if resume:
            self._clear()
            return True
        self._sweep()
        if (self.path / STATE).is_file():
            former = self.path.with_name(f"{self.path.name}.former")
            shutil.rmtree(former, ignore_errors=True)
            os.replace(self.path, former)
            note(f"begins anew; what an interrupted run left (resume=true goes on with it) is now in '{former}'")
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        return False

    def hand_over(self, target: Path) -> None:
        """Copy what a finished training leaves, all but the state, to ``target``.

        The folder stays until another training begins: should the copy be lost, ``resume=true`` makes it again.
        """
        for item in self.path.iterdir():
            if item.name.startswith("."):
                continue
            if item.is_dir():
                shutil.copytree(item, target / item.name)
            elif item.name not in {STATE, FINISHED}:
                shutil.copy2(item, target / item.name)
        (self.path / FINISHED).touch()

    def _clear(self) -> None:
        """Remove what a killed process was about to write."""
        for item in self.path.glob(".*"):
            if item.is_file():
                item.unlink()

    def _sweep(self) -> None:
        """Remove the folders of trainings that ended well."""
        for marker in self.path.parent.glob(f"*/{FINISHED}"):
            shutil.rmtree(marker.parent, ignore_errors=True)
