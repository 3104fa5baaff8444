from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import av

PERSON, BUS, TIE = 0, 5, 27


def run(repo_root: Path, folder: Path, *words: str) -> dict[str, Any]:
    """The program itself, on the real yolov5n as ONNX; its summary."""
    command = [sys.executable, "-m", "core.run", "+stage=predict", f"hydra.run.dir={folder}/run", *words]
    home = {**os.environ, "HOOKLINE_HOME": str(folder / "home")}
    done = subprocess.run(command, cwd=repo_root, env=home, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    summary: dict[str, Any] = json.loads((folder / "run" / "summary.json").read_text())
    return summary


def test_photos(repo_root: Path, shared_data: Path, tmp_path: Path) -> None:
    weights = shared_data / "weights" / "yolov5n-v7.0-640-op13.onnx"
    run(repo_root, tmp_path, "predict.model=heads", f"weights={weights}", f"source={shared_data / 'photos'}")
    folder = tmp_path / "run" / "predict"
    names = {image["id"]: image["file_name"] for image in json.loads((folder / "images.json").read_text())}
    boxes = json.loads((folder / "predictions.json").read_text())
    found = {
        name: Counter(box["category_id"] for box in boxes if names[box["image_id"]] == name) for name in names.values()
    }
    assert found == {"bus.jpg": {PERSON: 3, BUS: 1}, "zidane.jpg": {PERSON: 2, TIE: 1}}
    (bus,) = (box["bbox"] for box in boxes if box["category_id"] == BUS)
    assert [round(value, -1) for value in bus] == [50, 240, 760, 540]


def test_video(repo_root: Path, shared_data: Path, tmp_path: Path) -> None:
    weights = shared_data / "weights" / "yolov5n-v7.0-640-op13.onnx"
    video = shared_data / "video" / "vtest.avi"
    words = ("predict.model=heads", f"weights={weights}", f"source={video}", "predict.frames=12", "classes=person")
    values = run(repo_root, tmp_path, *words)["metrics"]["predict"]
    assert values["frames"] == 12
    assert 3 * 12 <= values["boxes"] <= 9 * 12
    with av.open(str(tmp_path / "run" / "predict" / "vtest.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.average_rate) == (768, 576, 10)
        assert sum(1 for _ in container.decode(stream)) == 12
