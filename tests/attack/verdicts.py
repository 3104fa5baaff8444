"""What a case came to: the two good ends, or the first of the faults that none may have."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from tests.attack.children import Ended
from tests.attack.limits import Limits


class Verdict(str, Enum):
    """``accepted`` and ``refused`` are good; each of the others is a fault of the program."""

    code_run = "code run"
    written_outside = "written outside"
    hang = "hang"
    memory = "memory"
    traceback = "traceback"
    endless_message = "endless message"
    half_written = "half-written"
    unexplained = "unexplained"
    accepted = "accepted"
    refused = "refused"

    @property
    def fault(self) -> bool:
        """Whether no case may end so."""
        return self not in {Verdict.accepted, Verdict.refused}


@dataclass(frozen=True)
class Found:
    """A verdict, and what it rests on."""

    verdict: Verdict
    detail: str = ""


ACCEPTED, USER_ERROR = 0, 2
_TRACEBACK = "Traceback (most recent call last)"
_ERROR_LINE = re.compile(r"^error: .+", re.MULTILINE)


def judge(
    ended: Ended,
    limits: Limits,
    *,
    canary: bool,
    changed: Sequence[str],
    leftovers: Sequence[str],
    heard: bool = True,
) -> Found:
    """Return the worst verdict of a case.

    Args:
        ended: What the command did.
        limits: Those that it ran under.
        canary: Whether content of the input was executed.
        changed: What it changed outside its own folders.
        leftovers: Unfinished files that it left.
        heard: Its standard error can be read.
    """
    output = ended.stdout + ended.stderr
    longest = max(map(len, output.splitlines()), default=0)
    last = (ended.stderr.strip() or ended.stdout.strip()).rpartition("\n")[2]
    if canary:
        return Found(Verdict.code_run, "the canary was made")
    if changed or ended.writes:
        return Found(Verdict.written_outside, "; ".join([*changed, *ended.writes])[:500])
    if ended.hang:
        return Found(Verdict.hang, ended.hang)
    if ended.memory > limits.resident or "MemoryError" in output or "bad_alloc" in output:
        return Found(Verdict.memory, f"{ended.memory >> 20} MiB; {last}"[:500])
    if _TRACEBACK in output or ended.code not in {ACCEPTED, USER_ERROR}:
        return Found(Verdict.traceback, f"exit code {ended.code}: {last}"[:500])
    if ended.printed > limits.output or longest > limits.line:
        return Found(Verdict.endless_message, f"{ended.printed:,} bytes, longest line {longest:,}")
    if leftovers:
        return Found(Verdict.half_written, ", ".join(leftovers)[:500])
    if ended.code == ACCEPTED:
        return Found(Verdict.accepted)
    if heard and not _ERROR_LINE.search(output):
        return Found(Verdict.unexplained, f"exit code 2 without a line that begins with 'error: '; {last}"[:500])
    return Found(Verdict.refused, last[:300])
