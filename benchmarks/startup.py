"""CPU time of a command of this checkout, relative to another checkout and to an interpreter that imports Hydra.

``python -m benchmarks.startup --before <checkout of another commit> [-- word ...]``; without words it measures
``--help``. Whole processes, alternately, with cached bytecode.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

HYDRA = ("-c", "import hydra; from hydra import compose, initialize_config_module")


def main() -> None:
    """Print the median of the ratios of all rounds, with minimum and maximum."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, required=True, help="folder of the other checkout")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("words", nargs="*", default=["--help"], help="the command line, after --")
    options = parser.parse_args()
    command = ("-m", "core.run", *options.words)
    here = Path.cwd()
    for folder in (options.before, here):
        _seconds(folder, command)  # writes the bytecode
    rounds = [
        (_seconds(here, command), _seconds(options.before, command), _seconds(here, HYDRA))
        for _ in range(options.rounds)
    ]
    print("after / before:", _ratio((after, before) for after, before, _ in rounds))
    print("after / interpreter with Hydra:", _ratio((after, hydra) for after, _, hydra in rounds))


def _seconds(folder: Path, arguments: Sequence[str]) -> float:
    """Return the CPU time of a Python process, user and system."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _ratio(pairs: Iterable[tuple[float, float]]) -> str:
    ratios = [one / other for one, other in pairs]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


if __name__ == "__main__":
    main()
