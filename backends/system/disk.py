"""Room in shared memory, for the processes that load pictures, and on the disk of the store."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from backends.system.host import Host
from core.kinds.check import Finding, Target, absent, broken, doubtful, fine

SHARED = 512 * 2**20
"""Bytes of /dev/shm below which a training with a few loaders ends in a bus error; Docker gives 64 MiB."""
DISK = 5 * 2**30
"""Bytes free below which a training or an int8 build may not end."""
LEAST = 256 * 2**20
"""Bytes free below which hardly anything ends."""


def shared_memory(here: Host | None = None) -> Iterator[Finding]:
    """The size of /dev/shm."""
    folder = (here or Host()).path("/dev/shm")  # noqa: S108
    try:
        total = shutil.disk_usage(folder).total
    except OSError as error:
        yield absent("shared memory", f"no {folder} ({error.strerror})", "mount a tmpfs there, or train.workers=0")
        return
    if total < SHARED:
        yield doubtful(
            "shared memory",
            f"{size(total)} in {folder}: too little for the processes that load images for a training",
            "docker run --shm-size=4g (or --ipc=host), or train.workers=0",
            bytes=str(total),
        )
    else:
        yield fine("shared memory", f"{size(total)} in {folder}", bytes=str(total))


def disk(asked: Target) -> Iterator[Finding]:
    """Whether the store can be written, and how much is free there."""
    folder = _nearest(asked.store)
    free = shutil.disk_usage(folder).free
    found = f"{size(free)} free for the store {asked.store}"
    if not os.access(folder, os.W_OK):
        yield broken(
            "disk", f"{folder} cannot be written, the store is to be {asked.store}", "store=<folder> puts it elsewhere"
        )
    elif free < LEAST:
        yield broken("disk", found, "make room, or store=<folder> on another disk", bytes=str(free))
    elif free < DISK:
        yield doubtful("disk", found, "make room, or store=<folder> on another disk", bytes=str(free))
    else:
        yield fine("disk", found, bytes=str(free))


def size(count: int) -> str:
    """Bytes in words."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def _nearest(folder: Path) -> Path:
    """The nearest folder that is there."""
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return folder
