"""Measure the throughput of a whole program on a video: ``+stage=predict`` from start to exit, with mp4 output.

``python -m benchmarks.throughput --source ../shared/data/video/vtest.avi yolov5n.pt`` builds the engines, then runs the
precisions alternately, ``--rounds`` times each, in processes of their own. It prints the fastest round: wall time of
the program with start-up, and the processing loop with milliseconds per frame by phase. Phases overlap, so their sum
exceeds the time of the loop. INT8 is calibrated on ``--calibration``, by default on the video itself.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.process.resources import machine
from core.process.versions import versions

PHASES = ("ms_decode", "ms_prepare", "ms_inference", "ms_detect", "ms_draw", "ms_encode")


def main() -> None:
    """Build, run alternately, and print a table."""
    arguments = read_arguments()
    print(f"machine: {machine()}; versions: {versions()}")
    print(f"command: python -m benchmarks.throughput {' '.join(sys.argv[1:])}\n")
    print("| weights | precision | frames | wall s | frames/s | loop frames/s | outside inference |", end="")
    print("".join(f" {phase[3:]} |" for phase in PHASES))
    print("| --- | --- |" + " --- |" * (5 + len(PHASES)))
    for weights in arguments.weights:
        runs = {precision: overrides(weights, precision, arguments) for precision in arguments.precisions.split(",")}
        for words in runs.values():
            run("build", words)
        rounds = [
            {name: timed(words, arguments.source) for name, words in runs.items()} for _ in range(arguments.rounds)
        ]
        for precision in runs:
            best = min((entry[precision] for entry in rounds), key=lambda values: values["wall"])
            print(f"| {Path(weights).stem} | {precision} | {figures(best)} |", flush=True)
    print("\nfrom decode on: milliseconds per frame; phases overlap")


def read_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="+", help="official names or files")
    parser.add_argument("--source", required=True, help="a video")
    parser.add_argument("--calibration", help="images or video to calibrate int8 on")
    parser.add_argument("--precisions", default="fp32,int8", help="comma-separated list")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--set", action="append", default=[], help="further option, e.g. predict.preset=ultrafast; may be repeated"
    )
    return parser.parse_args()


def overrides(weights: str, precision: str, arguments: argparse.Namespace) -> list[str]:
    """Return the options of both stages; with the same ones, predict finds the engine in the store."""
    calibration = arguments.calibration or arguments.source
    return [f"weights={weights}", f"precision={precision}", f"calibrate.source={calibration}", *arguments.set]


def timed(words: Sequence[str], source: str) -> dict[str, Any]:
    """Return the metrics of one run, and its wall time in seconds."""
    start = time.perf_counter()
    summary = run("predict", [*words, f"source={source}"])
    return {**summary["metrics"]["predict"], "wall": time.perf_counter() - start}


def run(stage: str, words: Sequence[str]) -> dict[str, Any]:
    """Return the summary of one run of the program."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "core.run", f"+stage={stage}", f"hydra.run.dir={folder}", *words]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
        if done.returncode:
            sys.exit(f"{' '.join(command)}\n{done.stderr}")
        summary: dict[str, Any] = json.loads((Path(folder) / "summary.json").read_text(encoding="utf-8"))
    return summary


def figures(values: Mapping[str, float]) -> str:
    """Return the cells of one row."""
    cells = [f"{values['frames']:.0f}", f"{values['wall']:.1f}", f"{values['frames'] / values['wall']:.1f}"]
    cells += [f"{values['frames_per_second']:.1f}", f"{values['share_outside_inference']:.1%}"]
    return " | ".join([*cells, *(f"{values[phase]:.1f}" for phase in PHASES)])


if __name__ == "__main__":
    main()
