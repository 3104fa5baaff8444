"""The content-addressed store of stage results, shared by all runs.

``<root>/<stage>/<key>/`` has the files of one artifact and a sidecar ``<main file>.json``. An entry is written in a
temporary directory and moved into place with one rename, so it is complete or missing. With one lock per key, a second
run waits for the result of the first.
"""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from core.artifacts import Artifact, named
from core.errors import HooklineError
from core.files.paths import output_path
from core.storage.digest import file_digest
from core.storage.serial import digest
from core.storage.sidecar import SIDECAR, read_sidecar, write_sidecar

WORKDIR = re.compile(r"[0-9a-f]{32}(\.former)?")
"""Pattern of the names that the store makes in ``unfinished``."""


class Store:
    """A store under one directory, safe for several processes.

    Raises:
        HooklineError: The directory cannot be written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._unfinished, self._locks = root / "unfinished", root / "locks"
        try:
            self._unfinished.mkdir(parents=True, exist_ok=True)
            self._locks.mkdir(exist_ok=True)
        except OSError as error:
            raise HooklineError(
                f"cannot write to the store '{root}' ({error.strerror})", "choose another folder with store=<folder>"
            ) from error

    def find(self, stage: str, key: str) -> Artifact | None:
        """Return the stored artifact; None if it is missing or one of its files is damaged."""
        for path in sorted(self._entry(stage, key).glob(f"*{SIDECAR}")):
            file = path.with_name(path.name.removesuffix(SIDECAR))
            try:
                sidecar = read_sidecar(file) if file.is_file() else None
            except HooklineError:
                return None
            if sidecar is not None and not any(sidecar.damaged()):
                return sidecar.artifact
        return None

    def write(self, stage: str, key: str, make: Callable[[Path], Artifact]) -> Artifact:
        """Run ``make`` in an empty directory and store its artifact; replace an existing entry.

        An artifact with a file outside of that directory, e.g. a file of the user, is returned but not stored.
        """
        with self._workdir() as workdir:
            artifact = complete(make(workdir))
            if workdir not in artifact.path.parents:
                return artifact
            write_sidecar(artifact)
            entry = self._entry(stage, key)
            entry.parent.mkdir(parents=True, exist_ok=True)
            if entry.exists():
                os.replace(entry, workdir.with_name(f"{workdir.name}.former"))
            os.replace(workdir, entry)
        return replace(artifact, path=entry / artifact.path.relative_to(workdir))

    def _entry(self, stage: str, key: str) -> Path:
        return output_path(self.root, stage, key)

    @contextmanager
    def lock(self, stage: str, key: str, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the lock of one key; call ``waiting`` once if another run holds it."""
        lock = FileLock(output_path(self._locks, f"{stage}-{key}.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            waiting()
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _workdir(self) -> Iterator[Path]:
        """Yield an empty directory. Its lock distinguishes it from the directory of a killed run."""
        self._sweep()
        workdir = self._unfinished / uuid.uuid4().hex
        lock = FileLock(self._locks / f"{workdir.name}.work")
        try:
            with lock:
                workdir.mkdir()
                try:
                    yield workdir
                finally:
                    for left in (workdir, workdir.with_name(f"{workdir.name}.former")):
                        shutil.rmtree(left, ignore_errors=True)
        finally:
            Path(lock.lock_file).unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove the directories of killed runs; other files and folders stay."""
        for left in self._unfinished.iterdir():
            if not WORKDIR.fullmatch(left.name):
                continue
            lock = FileLock(self._locks / f"{left.name.removesuffix('.former')}.work")
            try:
                with lock.acquire(timeout=0):
                    shutil.rmtree(left, ignore_errors=True)
            except Timeout:
                continue
            Path(lock.lock_file).unlink(missing_ok=True)


def complete(artifact: Artifact) -> Artifact:
    """Return the artifact with the SHA-256 of its main file.

    Raises:
        FileNotFoundError: The main file does not exist.
    """
    if not artifact.path.is_file():
        raise FileNotFoundError(f"a stage returned {type(artifact).__name__} but did not write '{artifact.path}'")
    return replace(artifact, sha256=file_digest(artifact.path))


def identity(artifact: Artifact) -> str:
    """Return the digest of an artifact for the keys of later stages: content and facts, not path or provenance."""
    return digest({"artifact": type(artifact).__name__, **named(artifact)})
