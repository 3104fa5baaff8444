"""Makes one case, runs it and judges it."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.attack.accepted import REASONS
from tests.attack.base import Base, signature
from tests.attack.case import DIRECT, Case, Scene
from tests.attack.children import Ended, forked, fresh
from tests.attack.kinds import KINDS
from tests.attack.limits import Limits
from tests.attack.place import Place
from tests.attack.verdicts import Found, Verdict, judge
from tests.support.snapshots import changes


@dataclass(frozen=True)
class Job:
    """Which case: the kind, the seed of all of them, and its number in the kind."""

    kind: str
    seed: int
    number: int

    @property
    def variant(self) -> str:
        """The variant of the kind; cases go round them."""
        names = list(KINDS[self.kind].variants)
        return names[self.number % len(names)]

    @property
    def chance(self) -> random.Random:
        """The source of everything random in the case."""
        return random.Random(f"{self.kind} {self.seed} {self.number}")

    @property
    def repeat(self) -> str:
        """The command that repeats it."""
        return f"python -m tests.attack --only {self.kind} --seed {self.seed} --case {self.number}"


@dataclass(frozen=True)
class Attempt:
    """A case that was run."""

    job: Job
    case: Case
    ended: Ended
    found: Found

    @property
    def unargued(self) -> bool:
        """Whether it was accepted without an entry in the list of accepted cases."""
        return self.found.verdict is Verdict.accepted and not REASONS.get(f"{self.job.kind}/{self.job.variant}")


def attempt(job: Job, base: Base, limits: Limits, place: Place) -> Attempt:
    """Make a case in ``place``, run it and judge it."""
    place.make()
    variant = KINDS[job.kind].variants[job.variant]
    case = variant(Scene(place.cwd, place.canary, job.chance, base))
    before = place.guarded(), signature(base)
    new_process = case.fresh or case.shell != DIRECT or KINDS[job.kind].is_fresh(job.number)
    ended = (fresh if new_process else forked)(case, place, limits)
    changed = [line for line in changes(before[0], place.guarded()) if "'writes'" not in line]
    if signature(base) != before[1]:
        changed.append("the base was changed")
    found = judge(
        ended,
        limits,
        canary=place.canary.exists(),
        changed=changed,
        leftovers=place.leftovers(),
        heard=case.heard,
    )
    return Attempt(job, case, ended, found)


@contextmanager
def new_place(keep: Path | None = None) -> Iterator[Place]:
    """A place for one case, removed afterwards unless it is to be kept."""
    if keep is not None:
        yield Place(keep)
        return
    folder = Path(tempfile.mkdtemp(prefix="attack-"))
    try:
        yield Place(folder / "case")
    finally:
        for top, folders, _ in os.walk(folder):  # a case may have taken the right to write from a folder
            for name in folders:
                path = Path(top, name)
                if not path.is_symlink():
                    path.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
