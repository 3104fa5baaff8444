"""The folder that a training keeps from epoch to epoch, so that an interrupted run can be resumed."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from core.errors import HooklineError
from core.ranks import RANKS
from core.training import STATE

FINISHED = "finished"
NAME = re.compile(r"[0-9a-f]{16}(\.former)?")
"""Names of the folders, by the identity of a training."""


class TrainingFolder:
    """One folder for each set of options, data and starting weights, with a lock next to it.

    Args:
        path: Where it is, or will be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def finished(self) -> bool:
        """Whether the folder holds the results of a training that has ended."""
        return (self.path / FINISHED).is_file()

    @contextmanager
    def lock(self, note: Callable[[str], None]) -> Iterator[bool]:
        """Hold the folder for the whole training; yield whether another run held it before.

        Two runs with stores of their own share the folder, since it lies in the cache. Only the leader of a
        distributed run takes the lock.

        Raises:
            HooklineError: Another run trains the same, and this one has several processes: those after the first
                cannot know that there will be nothing to do.
        """
        if not RANKS.leader:
            yield False
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock, waited = _lock_of(self.path), False
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if RANKS.world > 1:
                raise HooklineError(
                    f"another run trains the same in '{self.path}'", "wait until it has finished, or change an option"
                ) from None
            note("another run trains the same; waiting for it")
            lock.acquire()
            waited = True
        try:
            yield waited
        finally:
            lock.release()

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
            note("the interrupted run had not finished an epoch: starts again")
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
            what = "the result" if self.finished else "the state"
            former = self.path.with_name(f"{self.path.name}.former")
            shutil.rmtree(former, ignore_errors=True)
            os.replace(self.path, former)
            note(f"starts again; {what} of the former run, which resume=true would have used, is now in '{former}'")
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
        """Remove the folders of other trainings that have finished, unless a run takes its results from one.

        Folders of other names are not ours, and stay.
        """
        for marker in self.path.parent.glob(f"*/{FINISHED}"):
            if marker.parent == self.path or not NAME.fullmatch(marker.parent.name):
                continue
            try:
                with _lock_of(marker.parent).acquire(timeout=0):
                    shutil.rmtree(marker.parent, ignore_errors=True)
            except Timeout:
                continue


def _lock_of(folder: Path) -> FileLock:
    """Return the lock of a training's folder. Its file stays: a run may be waiting for it."""
    return FileLock(folder.with_name(f"{folder.name}.lock"))
