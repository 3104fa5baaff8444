"""The folders of one case, and what in them a command may change."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from core.execution.run_directory import LEFTOVER
from core.files.paths import TEMPORARY_NAME
from tests.support.snapshots import Snapshot, snapshot

WRITABLE = ("cwd/outputs", "cwd/multirun", "home/.cache/hookline", "tmp")
"""The run's directory, a sweep's, the store with the cache, and the folder for temporary files."""
_FETCHING = re.compile(r"\.fetch-.+")


@dataclass(frozen=True)
class Place:
    """The folder of one case: ``cwd`` with its input, ``home``, ``tmp``, and the output of the command."""

    root: Path

    def make(self) -> None:
        """Make the folders."""
        for name in ("cwd", "home/.cache", "tmp"):
            (self.root / name).mkdir(parents=True)

    @property
    def cwd(self) -> Path:
        """The working directory of the command."""
        return self.root / "cwd"

    @property
    def canary(self) -> Path:
        """The file that only executed input would make."""
        return self.root / "canary"

    @property
    def allowed(self) -> tuple[Path, ...]:
        """The folders that the command may write into."""
        return tuple(self.root / name for name in WRITABLE)

    def guarded(self) -> Snapshot:
        """Everything that has to stay as it is."""
        return {name: entry for name, entry in snapshot(self.root, contents=False).items() if not _free(name)}

    def leftovers(self) -> list[str]:
        """Unfinished and temporary files and folders that an ended command has left."""
        found = []
        for top in self.allowed[:-1]:
            for folder, folders, files in os.walk(top):
                names = (name for name in (*folders, *files) if _unfinished(name))
                found += [str(Path(folder, name).relative_to(self.root)) for name in names]
        return found

    def environment(self) -> dict[str, str]:
        """The environment of every command: this home, no network, one thread for each library."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
        return {
            **kept,
            "HOME": str(self.root / "home"),
            "TMPDIR": str(self.root / "tmp"),
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PIP_NO_INDEX": "1",
            "http_proxy": "http://127.0.0.1:9",
            "https_proxy": "http://127.0.0.1:9",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "MALLOC_ARENA_MAX": "2",
        }


def _free(name: str) -> bool:
    """Whether an entry may change: it is in a folder of results, or is a parent of one."""
    above = {".", "cwd", "home", "home/.cache", "stdout", "stderr", "status", "first"}
    return name in above or any(name == top or name.startswith(f"{top}/") for top in WRITABLE)


def _unfinished(name: str) -> bool:
    return any(pattern.fullmatch(name) for pattern in (LEFTOVER, TEMPORARY_NAME, _FETCHING))
