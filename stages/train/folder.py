"""Where a training lies: in the run's directory; a record in the cache finds it again when it is to be resumed."""

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
    """The latest training of one identity.

    Attributes:
        folder: Where it lies.
        resumable: It has finished an epoch.
        finished: It has ended, and its results are there.
    """

    folder: str
    resumable: bool
    finished: bool


class TrainingFolder:
    """The folder in which this run trains.

    Args:
        path: The stage's directory in the run's directory.
        record: File in the cache, one for each set of options, data and starting weights, with a lock next to it.
    """

    def __init__(self, path: Path, record: Path) -> None:
        self.path = path
        self._record = record

    @property
    def former(self) -> Path | None:
        """Where the latest training of this identity lies; None where there is no record of one."""
        known = self._known()
        return Path(known.folder) if known else None

    @property
    def finished(self) -> bool:
        """Whether the latest training of this identity has ended and its results are there."""
        known = self._known()
        return known is not None and known.finished and (Path(known.folder) / BEST).is_file()

    @contextmanager
    def lock(self, note: Callable[[str], None]) -> Iterator[bool]:
        """Hold the record for the whole training; yield whether another run held it before.

        Two runs with stores of their own share the record, since it lies in the cache. Only the leader of a
        distributed run takes the lock.

        Raises:
            HooklineError: Another run trains the same, and this one has several processes: those after the first
                cannot know that there will be nothing to do.
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
                    f"another run trains the same in '{self.former}'", "wait until it has finished, or change an option"
                ) from None
            note("another run trains the same; waiting for it")
            lock.acquire()
            waited = True
        try:
            yield waited
        finally:
            lock.release()

    def prepare(self, *, resume: bool, note: Callable[[str], None]) -> bool:
        """Make the folder ready and record it; return whether it holds a state to resume from.

        A process after the first changes nothing: it reads the state where the former run left it.

        Raises:
            HooklineError: Resumption is asked for, and there is nothing to resume.
        """
        former = self.former
        if not RANKS.leader:
            if not resume or former is None or not (former / STATE).is_file():
                return False
            self.path = former
            return True
        if resume and not (self.path / STATE).is_file():
            resume = self._continue(former, note)
        elif not resume and former is not None and (former / STATE).is_file():
            note(f"starts again; resume=true would have continued the training in '{former}', which stays as it is")
        for left in self.path.glob(".*"):  # what a killed process was about to write
            if left.name != STATE and left.is_file():
                left.unlink()
        if resume or former is None or not (former / STATE).is_file():
            self._write(resumable=resume)  # else the former state stays the one to resume until there is a newer one
        return resume

    def finish_epoch(self) -> None:
        """Record that the training here can be resumed."""
        self._write(resumable=True)

    def finish(self) -> None:
        """Record that the results are complete."""
        self._write(resumable=True, finished=True)

    def take(self, former: Path) -> None:
        """Copy what the training in ``former`` left, without its state."""
        _copy(former, self.path)

    def _continue(self, former: Path | None, note: Callable[[str], None]) -> bool:
        """Take over the state of the former run; return whether it had one."""
        if former is None:
            raise self._nothing_to_resume()
        if not former.is_dir() and self._resumable:
            raise HooklineError(
                f"resume=true, but '{former}', where the interrupted training lay, does not exist",
                "restore the directory, or leave resume=true out to train from the beginning",
            )
        if not (former / STATE).is_file():
            note("the interrupted run had not finished an epoch: starts again")
            return False
        note(f"continues the training in '{former}', which stays as it is")
        _copy(former, self.path)
        shutil.copy2(former / STATE, self.path / STATE)  # the last: its presence says that the copy is complete
        return True

    def _nothing_to_resume(self) -> HooklineError:
        """Return the error; where this run's directory has the state of another training, it says what can be done."""
        problem = "resume=true, but no training with these options, data and weights was interrupted"
        hint = "repeat the command of the interrupted run with resume=true added and nothing else changed"
        stage = self.path.name.partition("-")[0]
        others = [folder for folder in self.path.parent.glob(f"{stage}*") if folder != self.path]
        left = next((folder for folder in sorted(others) if (folder / STATE).is_file()), None)
        if left is None:
            return HooklineError(problem, hint)
        return HooklineError(
            f"{problem}: the one in '{left}' has others, or a version of hookline started it that writes the weights "
            "it starts from in another format",
            f"{hint}, with the version that started it; or start a new training with weights={left / LAST}",
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
    """Copy results, but no hidden file, marker or sidecar, which belong to the run that wrote them."""
    own = {MARKER, sidecar_path(Path(BEST)).name}
    for item in source.iterdir():
        if item.is_dir():
            shutil.copytree(item, target / item.name, symlinks=True, dirs_exist_ok=True)
        elif item.name not in own and not item.name.startswith("."):
            shutil.copy2(item, target / item.name)
