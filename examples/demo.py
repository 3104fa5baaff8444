"""``make demo``: the main job on real input, with the commands that a user would type.

Fetches two photos and a short street video into the cache, builds yolov5s twice (float32 and INT8, calibrated on 200
frames of the video), runs both on the same input, and says how INT8 compares with float32.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from core.assets import asset
from core.console import Console
from core.context import cache_home
from core.errors import HooklineError

FOLDER = Path("demo")
"""Where the two runs lie; made anew each time."""

MODEL = "yolov5s"


def run(name: str, *overrides: str) -> dict[str, object]:
    """One run of the command line in ``demo/<name>``; gives its summary.json."""
    arguments = [*overrides, f"weights={MODEL}", f"hydra.run.dir={FOLDER / name}"]
    print(f"\n$ python -m core.run {shlex.join(arguments)}", flush=True)
    subprocess.run([sys.executable, "-m", "core.run", *arguments], check=True)
    summary: dict[str, object] = json.loads((FOLDER / name / "summary.json").read_text(encoding="utf-8"))
    return summary


def main() -> int:
    """Run the demo; gives the exit code."""
    console = Console()
    try:
        bus, zidane, street = (asset(name, cache_home(), console) for name in ("bus", "zidane", "street"))
    except HooklineError as error:
        console.error(str(error))
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


def tell(photos: dict[str, object], video: dict[str, object]) -> None:
    """Where the results are, and INT8 beside float32."""
    print(f"\nINT8 {MODEL}, calibrated on 200 frames of the street video")
    for summary in (photos, video):
        predictions = next(stage for stage in summary["stages"] if stage["name"] == "predict")  # type: ignore[attr-defined]
        folder = Path(predictions["artifact"]["path"]).parent
        for file in sorted(folder.rglob("*")):
            if file.suffix in {".jpg", ".mp4"}:
                print(f"  {file}")
    print(json.dumps(video["values"], indent=1))


if __name__ == "__main__":
    sys.exit(main())
