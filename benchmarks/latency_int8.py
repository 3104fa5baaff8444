"""Compare the latency of INT8 and FP32 models with the layout ``heads``, alternately in one process.

``python -m benchmarks.latency_int8 --source images/ yolov5n.pt yolov5s.pt`` makes both models with
``+stage=quantize``. The models alternate in blocks of inferences with a pause between blocks, because the threads of a
session spin for a while after an inference and would take a core from the next session. With ``--threads 1`` the CPU
time is printed too, which depends little on other load of the machine.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

import numpy as np
import onnxruntime as ort

from backends.ort.loading import load_session, session_options
from backends.ort.options import OrtOptions
from core.process.resources import machine

PAUSE = 0.02
BLOCK, WARM = 6, 2


def main() -> None:
    """Make and time the models, and print a table."""
    arguments = read_arguments()
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    print(f"onnxruntime {ort.__version__}, {platform.machine()}, {arguments.imgsz} px, batch 1")
    print(f"command: python -m benchmarks.latency_int8 {' '.join(sys.argv[1:])}\n")
    print("| weights | threads | fp32 ms (median, min) | int8 ms | ratio of medians | of minima | of CPU time |")
    print("| --- | --- |" + " --- |" * 5)
    for weights in arguments.weights:
        with tempfile.TemporaryDirectory() as folder:
            paths = {name: quantized(weights, name, Path(folder, name), arguments) for name in ("fp32", "int8")}
            for threads in (int(item) for item in arguments.threads.split(",")):
                print(f"| {Path(weights).stem} | {threads} | {row(paths, threads, arguments)} |", flush=True)


def read_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="+", help="official names or files")
    parser.add_argument("--source", required=True, help="images to calibrate on")
    parser.add_argument("--imgsz", type=int, default=640)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--threads", default="2,1", help="comma-separated list")
    return parser.parse_args()


def quantized(weights: str, precision: str, folder: Path, arguments: argparse.Namespace) -> Path:
    """Return the ONNX file that ``+stage=quantize`` wrote into ``folder``."""
    options = [f"weights={weights}", f"precision={precision}", f"imgsz={arguments.imgsz}"]
    command = [sys.executable, "-m", "core.run", "+stage=quantize", f"hydra.run.dir={folder}", *options]
    command += [f"calibrate.source={arguments.source}"]
    run = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    if run.returncode:
        sys.exit(run.stderr)
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    (path,) = (stage["artifact"]["path"] for stage in summary["stages"] if stage["name"] == "quantize")
    return Path(path)


def row(paths: Mapping[str, Path], threads: int, arguments: argparse.Namespace) -> str:
    """Return the row of one pair."""
    sessions = {name: open_session(path, threads) for name, path in paths.items()}
    images = np.random.default_rng(0).random((1, 3, arguments.imgsz, arguments.imgsz), dtype=np.float32)
    wall, processor = in_turns(sessions, images, arguments.rounds)
    shown = [f"{median(wall[name]):.1f}, {min(wall[name]):.1f}" for name in paths]
    ratios = [choose(times["int8"]) / choose(times["fp32"]) for times, choose in ((wall, median), (wall, min))]
    cpu = median(processor["int8"]) / median(processor["fp32"])
    return " | ".join([*shown, *(f"{ratio:.3f}" for ratio in ratios), f"{cpu:.2f}" if threads == 1 else "-"])


def open_session(path: Path, threads: int) -> ort.InferenceSession:
    """Open a model as the runtime does, with this number of threads."""
    options = session_options(OrtOptions(threads=threads), ort.GraphOptimizationLevel.ORT_ENABLE_ALL)
    return load_session(path, options, f"'{path}'")


def in_turns(
    sessions: Mapping[str, ort.InferenceSession], images: np.ndarray, rounds: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Return wall and CPU milliseconds of the runs of each session, without the first run of a block."""
    wall: dict[str, list[float]] = {name: [] for name in sessions}
    processor: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in range(rounds):
        for name, session in sessions.items():
            time.sleep(PAUSE)
            for number in range(BLOCK):
                start, cpu = time.perf_counter(), time.process_time()
                session.run(None, {"images": images})
                if number >= WARM:
                    wall[name].append((time.perf_counter() - start) * 1e3)
                    processor[name].append((time.process_time() - cpu) * 1e3)
    return wall, processor


if __name__ == "__main__":
    main()
