"""The content-addressed store: results of stages, reused by every run that would make the same.

``<root>/<stage>/<key>/`` holds the files of one artifact and a sidecar ``<main file>.json``. An
entry is written in a directory of its own and comes into place with one rename, so that it is
there whole or not at all. One lock a key makes a second run wait instead of working twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from core.artifacts import Artifact, named
from core.errors import HooklineError
from core.serial import decode, digest, encode

SIDECAR = ".json"


class Store:
    """A store under one directory, safe for several processes on one machine."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, stage: str, key: str) -> Artifact | None:
        """The stored artifact; None where there is none or where its file is damaged (then it is removed)."""
        entry = self.root / stage / key
        for sidecar in sorted(entry.glob(f"*{SIDECAR}")):
            file = sidecar.with_name(sidecar.name.removesuffix(SIDECAR))
            artifact = read_artifact(file) if file.is_file() else None
            if artifact is not None and sha256_of(file) == artifact.sha256:
                return artifact
        self.forget(stage, key)
        return None

    def forget(self, stage: str, key: str) -> None:
        """Remove an entry, if there is one."""
        entry = self.root / stage / key
        if entry.is_dir():
            shutil.rmtree(entry)

    def write(self, stage: str, key: str, make: Callable[[Path], Artifact]) -> Artifact:
        """Run ``make`` in an empty directory and take in what it gives.

        An artifact whose file lies elsewhere (a file of the user's) is completed but not stored.
        """
        with self._workdir() as workdir:
            artifact = complete(make(workdir))
            if workdir not in artifact.path.parents:
                return artifact
            write_sidecar(artifact)
            entry = self.root / stage / key
            entry.parent.mkdir(parents=True, exist_ok=True)
            os.replace(workdir, entry)
        return replace(artifact, path=entry / artifact.path.relative_to(workdir))

    @contextmanager
    def lock(self, stage: str, key: str, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the lock of one key; ``waiting`` is called once if another run holds it."""
        folder = self.root / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{stage}-{key}.lock")
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
        folder = self.root / "unfinished"
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        workdir = folder / f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        workdir.mkdir()
        try:
            yield workdir
        finally:
            shutil.rmtree(workdir, ignore_errors=True)


def complete(artifact: Artifact) -> Artifact:
    """The artifact with the sha256 of its main file."""
    if not artifact.path.is_file():
        raise FileNotFoundError(f"a stage returned {type(artifact).__name__} but did not write '{artifact.path}'")
    return replace(artifact, sha256=sha256_of(artifact.path))


def identity(artifact: Artifact) -> str:
    """What a later stage's key takes from this input: content and facts, not place or origin."""
    return digest({"artifact": type(artifact).__name__, **named(artifact)})


def write_sidecar(artifact: Artifact) -> Path:
    """Write ``<file>.json`` beside the artifact's file; it names the file without its folder."""
    content: dict[str, Any] = {"artifact": type(artifact).__name__, **encode(artifact), "path": artifact.path.name}
    sidecar = artifact.path.with_name(artifact.path.name + SIDECAR)
    sidecar.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return sidecar


def read_artifact(path: Path) -> Artifact | None:
    """The artifact whose main file is ``path``, from the sidecar beside it; None where there is none.

    Raises:
        HooklineError: The sidecar is not one of ours or is damaged.
    """
    sidecar = path.with_name(path.name + SIDECAR)
    if not sidecar.is_file():
        return None
    try:
        content = json.loads(sidecar.read_text(encoding="utf-8"))
        kind = _artifact_types()[content.pop("artifact")]
        artifact: Artifact = decode(kind, content)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise HooklineError(
            f"'{sidecar}' does not describe an artifact ({type(error).__name__}: {error})",
            "remove it, or build again",
        ) from error
    return replace(artifact, path=path.absolute())


def sha256_of(path: Path) -> str:
    """sha256 of a file, hexadecimal."""
    result = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            result.update(chunk)
    return result.hexdigest()


def _artifact_types() -> dict[str, type[Artifact]]:
    found: dict[str, type[Artifact]] = {}
    pending: list[type[Artifact]] = [Artifact]
    while pending:
        kind = pending.pop()
        found[kind.__name__] = kind
        pending.extend(kind.__subclasses__())
    return found


def _sweep(folder: Path) -> None:
    """Remove what killed processes left behind."""
    for left in folder.iterdir():
        process = left.name.partition("-")[0]
        if process.isdigit() and not _alive(int(process)):
            shutil.rmtree(left, ignore_errors=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
