"""Packages that tests read without installing them: pinned files of the package index, checked by SHA-256."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urljoin

import pytest
from filelock import FileLock

REPO = Path(__file__).resolve().parents[2]
CACHE = REPO / ".cache"
Found = TypeVar("Found")
TAG = f"cp{sys.version_info.major}{sys.version_info.minor}"


class Unobtainable(Exception):
    """A file that a test needs cannot be downloaded; the text is the reason."""


def or_skip(obtain: Callable[..., Found], *arguments: str) -> Found:
    """Return the result of ``obtain``; skip the test with the reason if it is not available."""
    try:
        return obtain(*arguments)
    except Unobtainable as error:
        pytest.skip(str(error))


def check_platform() -> None:
    """Require Linux on x86-64, for which the wheels of NVIDIA and CuPy are pinned.

    Raises:
        Unobtainable: This is another platform.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise Unobtainable(f"no pinned wheels for {sys.platform} {platform.machine()}")


def prepared(folder: Path, prepare: Callable[[Path, Path], None]) -> Path:
    """Return a folder in the cache that is made once and atomically, by the first test that needs it.

    Args:
        folder: A folder in :data:`CACHE`.
        prepare: Fills it; gets a temporary folder for downloads and the empty folder.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=folder.parent) as place:
                ready = Path(place, "ready")
                ready.mkdir()
                prepare(Path(place), ready)
                ready.rename(folder)
    return folder


def unpack_wheel(package: str, version: str, sha256: str, place: Path, target: Path) -> None:
    """Download a wheel to its own folder in ``place``, and unpack it to ``target``.

    Raises:
        Unobtainable: The package index does not have it.
        AssertionError: Its SHA-256 is not the pinned one.
    """
    with zipfile.ZipFile(_checked(_wheel(package, version, place), sha256)) as archive:
        archive.extractall(target)


def unpack_source(package: str, file: str, sha256: str, place: Path, target: Path) -> None:
    """Unpack the source archive ``file`` of a package as :func:`unpack_wheel` does."""
    with tarfile.open(_checked(_source(package, file, place), sha256)) as archive:
        archive.extractall(target, filter="data")


def compiler(*names: str) -> str:
    """Return the first installed one of these compilers.

    Raises:
        Unobtainable: None is installed.
    """
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise Unobtainable(f"no compiler ({' or '.join(names)})")
    return found


def _checked(file: Path, sha256: str) -> Path:
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    assert found == sha256, f"{file.name} has the sha256 {found}, expected {sha256}"
    return file


def _wheel(package: str, version: str, place: Path) -> Path:
    folder = tempfile.mkdtemp(dir=place)
    options = ["--no-deps", "--only-binary=:all:", "--retries=1", "--timeout=20", "--disable-pip-version-check", "-q"]
    command = [sys.executable, "-m", "pip", "download", *options, f"{package}=={version}", "-d", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        why = next((line for line in done.stderr.splitlines() if line.startswith("ERROR")), "pip download failed")
        raise Unobtainable(f"{package} {version} cannot be downloaded: {why}")
    return next(Path(folder).glob("*.whl"))


def _source(package: str, file: str, place: Path) -> Path:
    """Download from the index directly, because pip would start a build."""
    index = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/")
    target = place / file
    try:
        with urllib.request.urlopen(f"{index}/{package}/", timeout=20) as page:
            links = re.findall(r'href="([^"#]+)', page.read().decode())
        address = next(link for link in links if link.endswith(f"/{file}"))
        with urllib.request.urlopen(urljoin(page.url, address), timeout=60) as answer:
            target.write_bytes(answer.read())
    except (OSError, StopIteration) as error:
        raise Unobtainable(f"{file} cannot be downloaded from {index}: {error or 'it does not exist'}") from error
    return target
