"""The folder of a training run in its run directory, and the record in the cache from which it is resumed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from core.errors import HooklineError
from core.files.paths import write_file
from core.kinds.training import BEST, LAST, STATE
from core.process.environment import RANKS
from core.storage.incomplete import MARKER
from core.storage.serial import DecodeError, decode, parse
from core.storage.sidecar import sidecar_path


@dataclass(frozen=True)
class TrainingRecord:
    """The latest training with the same options, data and initial weights.

    Attributes:
        folder: Folder of the training.
        resumable: Whether it has finished an epoch.
        finished: Whether it has ended and its results are complete.
    """

    folder: str
    resumable: bool
    finished: bool


class TrainingFolder:
    """The folder of this training.

    Args:
        path: Directory of the stage in the run directory.
        record: Record file in the cache, one per set of options, data and initial weights; a lock file is next to it.
    """

    def __init__(self, path: Path, record: Path) -> None:
        self.path = path
        self._record = record

    @property
    def previous(self) -> Path | None:
        """Folder of the latest training with the same options, data and weights; None without a record."""
        known = self._known()
        return Path(known.folder) if known else None

    @property
    def finished(self) -> bool:
        """Whether the latest training has ended and its results still exist."""
        known = self._known()
        return known is not None and known.finished and (Path(known.folder) / BEST).is_file()

    @contextmanager
    def lock(self, note: Callable[[str], None]) -> Iterator[bool]:
        """Lock the record during the training; yield whether this run had to wait for another one.

        Runs with different stores share the record, because it is in the cache. Only rank 0 takes the lock.

        Raises:
            HooklineError: Another run trains with the same options and this run is distributed: its other ranks cannot
                know that the result will be reused.
        """
        if not RANKS.leader:
            yield False
            return
        self._record.parent.mkdir(parents=True, exist_ok=True)
        lock, waited = FileLock(self._record.with_suffix(".lock")), False
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if RANKS.world > 1:
                raise HooklineError(
                    f"another run is training with the same options in '{self.previous}'",
                    "wait until it has finished, or change an option",
                ) from None
            note("another run is training with the same options; waiting for it")
            lock.acquire()
            waited = True
        try:
            yield waited
        finally:
            lock.release()

    def prepare(self, *, resume: bool, note: Callable[[str], None]) -> bool:
        """Prepare the folder and record it; return whether it has a state to resume from.

        Other ranks than 0 change nothing and read the state from the folder of the previous run.

        Raises:
            HooklineError: ``resume`` is set, but there is no training to resume.
        """
        previous = self.previous
        if not RANKS.leader:
            if not resume or previous is None or not (previous / STATE).is_file():
                return False
            self.path = previous
            return True
        if resume and not (self.path / STATE).is_file():
            resume = self._continue(previous, note)
        elif not resume and previous is not None and (previous / STATE).is_file():
            note(f"starting again; the unfinished training in '{previous}' is kept (resume=true continues it)")
        for left in self.path.glob(".*"):  # temporary files of a killed process
            if left.name != STATE and left.is_file():
                left.unlink()
        if resume or previous is None or not (previous / STATE).is_file():
            self._write(resumable=resume)  # otherwise the previous state remains the one to resume
        return resume

    def finish_epoch(self) -> None:
        """Record that the training here can be resumed."""
        self._write(resumable=True)

    def finish(self) -> None:
        """Record that the results are complete."""
        self._write(resumable=True, finished=True)

    def take(self, previous: Path) -> None:
        """Copy the results of the training in ``previous``, without its state."""
        _copy(previous, self.path)

    def _continue(self, previous: Path | None, note: Callable[[str], None]) -> bool:
        """Copy the state of the previous run; return whether it had one."""
        if previous is None:
            raise self._nothing_to_resume()
        if not previous.is_dir() and self._resumable:
            raise HooklineError(
                f"resume=true, but the folder '{previous}' of the interrupted training does not exist",
                "restore the folder, or omit resume=true to train from the beginning",
            )
        if not (previous / STATE).is_file():
            note("the interrupted run had not finished an epoch: starting again")
            return False
        note(f"continuing the training in '{previous}', which is kept")
        _copy(previous, self.path)
        shutil.copy2(previous / STATE, self.path / STATE)  # copied last: its presence shows that the copy is complete
        return True

    def _nothing_to_resume(self) -> HooklineError:
        """Return the error, with the folder of another training in this run directory if there is one."""
        problem = "resume=true, but no training with these options, data and weights was interrupted"
        hint = "repeat the command of the interrupted run with resume=true added and nothing else changed"
        stage = self.path.name.partition("-")[0]
        others = [folder for folder in self.path.parent.glob(f"{stage}*") if folder != self.path]
        left = next((folder for folder in sorted(others) if (folder / STATE).is_file()), None)
        if left is None:
            return HooklineError(problem, hint)
        return HooklineError(
            f"{problem}: the interrupted training in '{left}' has different ones, or was started by another version of "
            "hookline",
            f"{hint}, with the same version; or start a new training run with weights={left / LAST}",
        )

    @property
    def _resumable(self) -> bool:
        known = self._known()
        return known is not None and known.resumable

    def _known(self) -> TrainingRecord | None:
        with suppress(OSError, DecodeError):
            known: TrainingRecord = decode(TrainingRecord, parse(self._record.read_bytes()))
            return known
        return None

    def _write(self, *, resumable: bool, finished: bool = False) -> None:
        record = TrainingRecord(os.path.abspath(self.path), resumable, finished)
        write_file(self._record, json.dumps(asdict(record)).encode())


def _copy(source: Path, target: Path) -> None:
    """Copy results without hidden files, marker and sidecar, which belong to the run that wrote them."""
    own = {MARKER, sidecar_path(Path(BEST)).name}
    for item in source.iterdir():
        if item.is_dir():
            shutil.copytree(item, target / item.name, symlinks=True, dirs_exist_ok=True)
        elif item.name not in own and not item.name.startswith("."):
            shutil.copy2(item, target / item.name)
