"""SHA-256 of files, cached by path, device, inode, size, modification time and change time."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from core.files.regular_file import open_regular

if TYPE_CHECKING:
    from core.storage.digest_cache import DigestCache

CHUNK = 1 << 20
SETTLED_NS = 2_000_000_000
"""Age in nanoseconds below which a file can change again without a new time stamp (2 s on FAT)."""


def text_digest(text: str) -> str:
    """Return the SHA-256 of ``text`` in UTF-8 as hexadecimal text, whatever the locale.

    File names that are not UTF-8 count with their bytes.
    """
    import hashlib

    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def file_digest(path: Path, cache_dir: Path | None = None) -> str:
    """Return the SHA-256 of the content of a file as hexadecimal text.

    Args:
        path: The file.
        cache_dir: Folder of the cache with the digests of unchanged files, ``context.cache_dir``; None reads the file.
    """
    with _cache(cache_dir) as cache:
        return _digest(path, cache)


def files_digest(files: Iterable[tuple[str, Path]], cache_dir: Path | None = None) -> str:
    """Return the SHA-256 over names and contents in the given order; it does not depend on the folders.

    An unreadable file has an empty digest.

    Args:
        files: Name and path of each file; the name is hashed.
        cache_dir: Folder of the cache with the digests of unchanged files; None reads every file.
    """
    import hashlib

    total = hashlib.sha256()
    with _cache(cache_dir) as cache:
        for name, path in files:
            total.update(f"{name}\0{_digest_if_readable(path, cache)}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def digest_each(files: Iterable[Path], cache_dir: Path | None = None) -> Iterator[str]:
    """Yield the SHA-256 of each file as hexadecimal text, in order; an empty text for an unreadable file."""
    with _cache(cache_dir) as cache:
        for path in files:
            yield _digest_if_readable(path, cache)


def _cache(cache_dir: Path | None) -> AbstractContextManager[DigestCache]:
    """Open the cache. SQLite is loaded here, because ``--help`` loads this file."""
    from core.storage.digest_cache import digest_cache

    return digest_cache(cache_dir)


def _digest_if_readable(path: Path, cache: DigestCache) -> str:
    """Return the digest of a file; an empty text if it is unreadable."""
    try:
        return _digest(path, cache)
    except OSError:
        return ""


def _digest(path: Path, cache: DigestCache) -> str:
    name = os.fsencode(path.absolute())
    if known := cache.look_up(name, file_state(path.stat())):
        return known
    with open_regular(path) as file:
        now, before = time.time_ns(), os.fstat(file.fileno())
        digest = _read(file)
        after = os.fstat(file.fileno())
    # A file that changed just before it was read could change during the read without a new state.
    if now - max(before.st_mtime_ns, before.st_ctime_ns) > SETTLED_NS and file_state(before) == file_state(after):
        cache.remember(name, file_state(before), digest)
    return digest


def file_state(status: os.stat_result) -> str:
    """Return a text that changes with the content of a file; SQLite's integers are too small for some inodes."""
    numbers = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return " ".join(map(str, numbers))


def _read(file: BinaryIO) -> str:
    import hashlib

    digest = hashlib.sha256()
    while chunk := file.read(CHUNK):
        digest.update(chunk)
    return digest.hexdigest()
