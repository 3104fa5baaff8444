"""``make demo``: the main job on real input, with the commands that a user would type.

Fetches two photos and a short street video into the cache, builds yolov5s twice (float32 and INT8, calibrated on 200
frames of the video), runs both on the same input, and says how INT8 compares with float32.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hookline import HooklineError, sample

Summary = dict[str, Any]
"""The content of a summary.json."""

FOLDER = Path("demo")
"""Folder of the runs; it is replaced each time."""

MODEL = "yolov5s"


def run(name: str, *overrides: str) -> Summary:
    """Run the command line in ``demo/<name>``; return its summary.json."""
    arguments = [*overrides, f"weights={MODEL}", f"hydra.run.dir={FOLDER / name}"]
    print(f"\n$ python -m core.run {shlex.join(arguments)}", flush=True)
    subprocess.run([sys.executable, "-m", "core.run", *arguments], check=True)
    summary: Summary = json.loads((FOLDER / name / "summary.json").read_text(encoding="utf-8"))
    return summary


def main() -> int:
    """Run the demo; return the exit code."""
    try:
        bus, zidane, street = map(sample, ("bus", "zidane", "street"))
    except HooklineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if FOLDER.exists():
        shutil.rmtree(FOLDER)
    try:
        run("fp32", "+stage=build", "precision=fp32")
        reference = next((FOLDER / "fp32" / "build").glob("*.onnx"))
        int8 = ("precision=int8", f"calibrate.source={street}", "calibrate.pictures=200")
        photos = run("photos", "+stage=predict", *int8, f"source=[{bus},{zidane}]")
        video = run("video", "+stage=[predict,compare]", *int8, f"source={street}", f"compare.reference={reference}")
    except subprocess.CalledProcessError as error:
        return error.returncode
    tell(photos, video)
    return 0


def tell(photos: Summary, video: Summary) -> None:
    """Print the paths of the results, and INT8 compared with float32."""
    print(f"\nannotated by the INT8 engine of {MODEL}, calibrated on 200 frames of the street video:")
    for summary in (photos, video):
        predictions = next(stage for stage in summary["stages"] if stage["name"] == "predict")
        folder = Path(predictions["artifact"]["path"]).parent
        for file in sorted(folder.rglob("*")):
            if file.suffix in {".jpg", ".mp4"}:
                print(f"  {os.path.relpath(file)}")
    found, speed = video["metrics"]["compare"], video["metrics"]["predict"]
    print("INT8 compared with float32 on the same frames of the video:")
    print(
        f"  inference  {found['median_ms']:.1f} ms, float32 {found['reference_median_ms']:.1f} ms (medians): "
        f"ratio {found['latency_ratio']:.2f}"
    )
    print(
        f"  boxes      F1 {found['f1']:.3f} at IoU 0.5: {found['matched']:.0f} in both, "
        f"{found['only_here']:.0f} only INT8, {found['only_reference']:.0f} only float32"
    )
    print(f"  program    {speed['frames_per_second']:.1f} frames per second from mp4 to annotated mp4")


if __name__ == "__main__":
    sys.exit(main())
