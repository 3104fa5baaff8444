"""Compare the accuracy of INT8, by calibrator, with FP32 on the same images.

``python -m benchmarks.int8_accuracy --data ../shared/data/coco_subset/data.yaml yolov5n.pt yolov5s.pt`` calibrates on
the train split and evaluates the quantised heads (multi-label, conf 0.001, IoU 0.6) with ``+stage=evaluate``. The mAP
of a few hundred images changes by some thousandths with every change of rounding: a second split (``--splits
val,train``) shows how much of a difference is noise. With ``--backend tensorrt`` the graphs are those for TensorRT,
computed by ONNX Runtime on the CPU; their times are meaningless.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.evaluate import SHOWN, evaluate
from core.process.resources import machine
from core.process.versions import versions


def main() -> None:
    """Run all evaluations and print the table."""
    arguments = read_arguments()
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    print(", ".join(f"{name} {value}" for name, value in versions().items() if name in SHOWN))
    print(f"command: python -m benchmarks.int8_accuracy {' '.join(sys.argv[1:])}\n")
    print("| weights | split | precision | mAP50-95 | mAP50 | change of mAP50-95 | inference ms |")
    print("| --- | --- | --- |" + " --- |" * 4)
    for weights in arguments.weights:
        for split in arguments.splits.split(","):
            options = [f"weights={weights}", f"data={arguments.data}", f"evaluate.split={split}"]
            options.append(f"backend={arguments.backend}")
            print_rows(Path(weights).stem, split, options, arguments.calibrators.split(","))


def read_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="+", help="official names or files")
    parser.add_argument("--data", required=True, help="data.yaml")
    parser.add_argument("--backend", default="onnxruntime", help="runtime whose rules the quantised graphs follow")
    parser.add_argument("--splits", default="val", help="comma-separated list")
    parser.add_argument("--calibrators", default="percentile,minmax,entropy", help="comma-separated list")
    return parser.parse_args()


def print_rows(name: str, split: str, options: list[str], calibrators: list[str]) -> None:
    """Yield FP32, FP16, then INT8 with each calibrator."""
    base = 0.0
    rows = {"fp32": ["precision=fp32"], "fp16": ["precision=fp16"]}
    rows |= {f"int8 {item}": ["precision=int8", f"calibrator={item}"] for item in calibrators}
    for label, changes in rows.items():
        values = evaluate([*options, "evaluate.model=quantized", *changes])
        base = base or values["map50_95"]
        change = values["map50_95"] - base
        figures = f"{values['map50_95']:.4f} | {values['map50']:.4f} | {change:+.4f} | {values['inference_ms']:.1f}"
        print(f"| {name} | {split} | {label} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
