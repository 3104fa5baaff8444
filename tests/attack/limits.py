"""What a command may take, and how that is measured."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Limits:
    """The limits of one command.

    Attributes:
        seconds: Of processor time, of all its processes together.
        wall: Seconds by the clock.
        memory: Bytes of address space beyond that of a process that has imported everything.
        resident: Bytes of memory beyond that of such a process.
        file: Bytes of a file that it writes.
        output: Bytes that it prints.
        line: Characters of a line that it prints.
    """

    seconds: float = 15.0
    wall: float = 120.0
    memory: int = 4 << 30
    resident: int = 1 << 30
    file: int = 256 << 20
    output: int = 64 << 10
    line: int = 1200

    def apply(self, base: int) -> None:
        """Set the limits of this process; ``base`` is the address space of one that has imported everything."""
        space = base + self.memory
        resource.setrlimit(resource.RLIMIT_AS, (space, space))
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.file, self.file))
        seconds = int(self.seconds) + 5
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def address_space() -> int:
    """Return the bytes of address space of this process."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def resident() -> int:
    """Return the bytes of memory that a fork of this process has at once: pages of files come when they are read."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) << 10


def session_seconds(leader: int) -> float:
    """Return the processor time that the processes of a session have taken, in seconds."""
    total = 0
    for entry in os.scandir("/proc"):
        if not entry.name.isdecimal():
            continue
        try:
            fields = Path(entry.path, "stat").read_bytes().rpartition(b") ")[2].split()
        except OSError:  # it has ended
            continue
        if int(fields[3]) == leader:
            total += sum(int(number) for number in fields[11:15])
    return total / _TICKS
