"""Kill runs at random moments, check their files, and complete them: ``python -m tests.kill_runs --kills 300``.

A case is a command with its own run directory, store and home. SIGKILL, SIGINT or SIGTERM end it once or several times;
then the printed command to resume completes it. After each kill all files must be complete, finished results must not
be made again, and the final result must be that of an undisturbed run.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support.kill_harness import Counts, Harness
from tests.support.kill_process import Material
from tests.support.kill_scenarios import SCENARIOS


def table(counts: dict[str, Counts]) -> str:
    """Return a table with one line per scenario."""
    rows = [("scenario", "kills", "signals", "where they hit", "reruns", "resumed", "problems")]
    for name, counted in counts.items():
        hits = ", ".join(f"{phase} {count}" for phase, count in counted.hits.items())
        signals = ", ".join(f"{number} {count}" for number, count in sorted(counted.signals.items()))
        reruns = (str(counted.reruns), str(counted.resumed), str(len(counted.problems)))
        rows.append((name, str(counted.kills), signals, hits, *reruns))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def run_all(
    names: Sequence[str], kills: int, seed: int, material: Material, *, keep: bool = False
) -> dict[str, Counts]:
    """Distribute ``kills`` evenly over the scenarios."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background of a shell; children inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    counts = {}
    for index, name in enumerate(names):
        scenario = next(item for item in SCENARIOS if item.name == name)
        share = kills // len(names) + (index < kills % len(names))
        counts[name] = Harness(scenario, material, seed).run(share, keep=keep)
        print(f"{name}: {counts[name].kills} kills, {len(counts[name].problems)} problems", flush=True)
    return counts


def main() -> int:
    """Run the command line; return 1 after a problem."""
    names = [scenario.name for scenario in SCENARIOS]
    parser = argparse.ArgumentParser(prog="python -m tests.kill_runs", description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", choices=names)
    parser.add_argument("--keep", type=Path, help="folder in which the cases with problems stay")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kill-runs-") as temporary:
        folder = given.keep or Path(temporary)
        material = Material(folder)
        counts = run_all(given.only or names, given.kills, given.seed, material, keep=given.keep is not None)
    print(table(counts))
    return int(any(counted.problems for counted in counts.values()))


if __name__ == "__main__":
    sys.exit(main())
