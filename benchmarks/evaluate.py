"""Measure accuracy and speed of every form of a model with ``+stage=evaluate``, each in its own process.

``python -m benchmarks.evaluate --data ../shared/data/coco_subset/data.yaml yolov5n.pt yolov5s.pt`` prints one row per
form and precision: the classic output, the heads, the heads with one class per box, and the engine with a low score
threshold (``graft.score_threshold=0.001``) and with the default one (0.25). INT8 is calibrated on the train split.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.process.resources import machine
from core.process.versions import versions

PATHS: Mapping[str, tuple[str, ...]] = {
    "classic": ("evaluate.model=heads", "export.layout=classic"),
    "heads": ("evaluate.model=quantized",),
    "heads, best class": ("evaluate.model=quantized", "evaluate.multi_label=best"),
    "engine, threshold 0.001": ("evaluate.model=engine", "graft.score_threshold=0.001"),
    "engine, threshold 0.25": ("evaluate.model=engine", "graft.score_threshold=0.25"),
}
COLUMNS = ("map50_95", "map50", "precision", "recall")
PHASES = ("read_ms", "prepare_ms", "inference_ms", "detect_ms")
SHOWN = ("hookline", "python", "onnxruntime", "opencv-python", "numpy", "pycocotools")


def main() -> None:
    """Run all evaluations and print the table."""
    arguments = read_arguments()
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    print(", ".join(f"{name} {value}" for name, value in versions().items() if name in SHOWN))
    print(f"command: python -m benchmarks.evaluate {' '.join(sys.argv[1:])}\n")
    print(
        "| weights | precision | path | mAP50-95 | mAP50 | P | R | read | prepare | inference | detect | loop | stage |"
    )
    print("| --- | --- | --- |" + " --- |" * 10)
    for weights in arguments.weights:
        for precision in arguments.precisions.split(","):
            for name, options in PATHS.items():
                if name == "classic" and precision != "fp32":
                    continue
                values = evaluate([f"weights={weights}", f"data={arguments.data}", f"precision={precision}", *options])
                print(f"| {Path(weights).stem} | {precision} | {name} | {figures(values)} |", flush=True)
    print("\nread to detect: milliseconds per image; loop: seconds over all; stage: seconds with opening and scoring")


def read_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="+", help="official names or files")
    parser.add_argument("--data", required=True, help="data.yaml")
    parser.add_argument("--precisions", default="fp32,int8", help="comma-separated list")
    return parser.parse_args()


def evaluate(overrides: Sequence[str]) -> dict[str, Any]:
    """Return the metrics in the summary.json of one run."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "core.run", "+stage=evaluate", f"hydra.run.dir={folder}", *overrides]
        run = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
        if run.returncode:
            sys.exit(f"{' '.join(command)}\n{run.stderr}")
        summary = json.loads((Path(folder) / "summary.json").read_text(encoding="utf-8"))
    (seconds,) = (stage["seconds"] for stage in summary["stages"] if stage["name"] == "evaluate")
    return {**summary["metrics"]["evaluate"], "stage_seconds": seconds}


def figures(values: Mapping[str, float]) -> str:
    """Return the cells of one row."""
    cells = [f"{values[name]:.4f}" for name in COLUMNS] + [f"{values[name]:.1f}" for name in PHASES]
    return " | ".join([*cells, *(f"{values[name]:.1f}" for name in ("seconds", "stage_seconds"))])


if __name__ == "__main__":
    main()
