"""``python -m tests.attack``: the whole suite, a part of it, or one case with all that it printed."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

from tests.attack.attempt import Job, attempt, new_place
from tests.attack.base import Base, make_base
from tests.attack.kinds import KINDS
from tests.attack.limits import Limits
from tests.attack.suite import Result, jobs, run_all
from tests.attack.verdicts import Verdict
from tests.attack.worker import prepare


def main() -> int:
    """Exit code 1 where a case has a fault, or was accepted without a reason."""
    options = _options()
    if options.case is not None:
        return _one(Job(options.only[0], options.seed, options.case), options.base, options.keep)
    start = time.monotonic()
    with options.results.open("w") if options.results else nullcontext() as lines:

        def report(result: Result) -> None:
            if is_failure(result):
                print(failure(result), flush=True)
            if lines:
                print(json.dumps(result), file=lines, flush=True)

        results = run_all(jobs(options.seed, only=options.only, each=options.each), options.jobs, report, options.base)
    failed = [result for result in results if is_failure(result)]
    print(table(results))
    print(f"{len(results)} cases, {len(failed)} failed, {time.monotonic() - start:.0f} s")
    return int(bool(failed))


def is_failure(result: Result) -> bool:
    """Whether a case ended as none may."""
    return Verdict(result["verdict"]).fault or result["unargued"]


def failure(result: Result) -> str:
    """Return what failed, and the command that repeats it."""
    what = "accepted, but tests/attack/accepted.py has no reason" if result["unargued"] else result["verdict"]
    tail = "".join(f"\n    {line[:200]}" for line in result["tail"])
    repeat = Job(**result["job"]).repeat
    return f"{result['job']['kind']}/{result['variant']}: {what}: {result['detail'][:300]}\n  {repeat}{tail}"


def table(results: list[Result]) -> str:
    """Return the counts of verdicts by kind."""
    counts = Counter((result["job"]["kind"], Verdict(result["verdict"])) for result in results)
    width = max(map(len, KINDS))
    head = " ".join([" " * width, *(f"{verdict.value:>15}" for verdict in Verdict)])
    shown = (kind for kind in KINDS if any(counts[kind, verdict] for verdict in Verdict))
    lines = (" ".join([f"{kind:<{width}}", *(f"{counts[kind, verdict]:>15}" for verdict in Verdict)]) for kind in shown)
    return "\n".join([head, *lines])


def _one(job: Job, base: Path | None, keep: Path | None) -> int:
    prepare()
    with new_place() as around:
        around.root.mkdir(parents=True)
        good = Base(base) if base else make_base(around.root / "base")
        with new_place(keep) as place:
            done = attempt(job, good, Limits(), place)
    print(f"$ {shlex.join(['python', '-m', 'core.run', *done.case.arguments])}")
    if done.case.environment:
        print(f"environment: {dict(done.case.environment)}")
    print(f"--- stdout\n{done.ended.stdout[-4000:]}\n--- stderr\n{done.ended.stderr[-8000:]}")
    verdict = f"{job.kind}/{job.variant}: {done.found.verdict.value}: {done.found.detail}"
    print(f"--- {verdict} ({done.ended.seconds:.1f} s, {done.ended.memory >> 20} MiB)")
    return int(done.found.verdict.fault or done.unargued)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    parser.add_argument(
        "--only", action="append", default=[], choices=list(KINDS), help="kinds; all where none is named"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", type=int, help="one case of the kind of --only")
    parser.add_argument("--each", type=int, help="number of cases of each kind instead of all; 0: every variant once")
    parser.add_argument("--jobs", type=int, default=2, help="cases at once")
    parser.add_argument(
        "--base", type=Path, help="folder of the good files of an earlier run; made where it is missing"
    )
    parser.add_argument("--keep", type=Path, help="with --case: keep its files in this new folder")
    parser.add_argument("--results", type=Path, help="write each result as a line of JSON")
    options = parser.parse_args()
    if options.case is not None and len(options.only) != 1:
        parser.error("--case needs one --only")
    return options


if __name__ == "__main__":
    sys.exit(main())
