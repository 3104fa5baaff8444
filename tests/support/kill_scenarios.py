"""The commands that :mod:`tests.kill_runs` kills, with their inputs, phases and expected results."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.dataset_tools import write_dataset
from tests.support.media_tools import make_picture, write_pictures, write_video
from tests.support.yolov5_tools import tiny_checkpoint

IMAGES, VIDEOS, VIDEO_FRAMES, RATE, STREAM_FRAMES = 30, 2, 150, 25, 60
STREAM_SECONDS = 12
Results = Mapping[str, Any]


@dataclass(frozen=True)
class Place:
    """The folder of one case, with its store, home and run directory."""

    root: Path

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def home(self) -> Path:
        return self.root / "home"


@dataclass(frozen=True)
class Scenario:
    """One command.

    Attributes:
        name: Name in ``--only`` and the table.
        words: Its command line with the fields ``{inputs}`` and ``{port}``.
        phases: Glob by phase, in order; it matches files of the case from the start of the phase. The first is empty.
        results: Returns the results, which must not depend on kills.
        resumable: Glob that matches files of the case while ``resume=true`` has something to resume.
        prepare: A command that fills the store of each case; empty for none.
        sweep: It is a sweep.
    """

    name: str
    words: tuple[str, ...]
    phases: Mapping[str, str]
    results: Callable[[Place], Results]
    resumable: str = ""
    prepare: tuple[str, ...] = ()
    sweep: bool = False

    @property
    def live(self) -> bool:
        """Whether it reads a live stream."""
        return any("{port}" in word for word in self.words)

    def command(self, words: tuple[str, ...], place: Place, inputs: Path, port: int = 0) -> list[str]:
        """Return the arguments of the process."""
        directory = "hydra.sweep.dir" if self.sweep else "hydra.run.dir"
        filled = [word.format(inputs=inputs, port=port) for word in words]
        places = [f"store={place.store}", f"{directory}={place.run}"]
        return [sys.executable, "-m", "core.run", *(["-m"] if self.sweep else []), *filled, *places]


def environment(place: Place) -> dict[str, str]:
    """Return the environment: one thread, so that trainings are reproducible, and this Python as ``python``."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    settings = {"HOOKLINE_HOME": str(place.home), "PYTHONPATH": root, "OMP_NUM_THREADS": "1", "PATH": path}
    return os.environ | settings


def write_inputs(folder: Path) -> None:
    """Write the inputs of all scenarios."""
    tiny_checkpoint(folder / "tiny.safetensors")
    write_pictures(folder / "images", [f"{number}.png" for number in range(IMAGES)], 96, 128)
    for number in range(VIDEOS):
        frames = (make_picture(96, 128, seed) for seed in range(VIDEO_FRAMES))
        write_video(folder / "videos" / f"v{number}.mp4", frames, RATE)
    noise = (make_picture(48, 64, seed) for seed in range(STREAM_SECONDS * RATE))
    write_video(folder / "camera.ts", noise, RATE, "mpeg2video")
    boxes = [(0, 0.5, 0.5, 0.5, 0.5), (1, 0.3, 0.3, 0.2, 0.2)]
    rows = {str(number): boxes for number in range(4)}
    write_dataset(folder / "data", {"train": rows, "val": rows}, ("class0", "class1", "class2"), size=(128, 96))


def summary_of(folder: Path) -> dict[str, Any]:
    """Return the summary of a finished run."""
    summary: dict[str, Any] = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert summary["status"] == "finished", summary["status"]
    return summary


def artifact_of(folder: Path) -> Path:
    """Return the folder of the result of the last stage of a run."""
    return Path(summary_of(folder)["stages"][-1]["artifact"]["path"]).parent


def frames_in(video: Path) -> int:
    """Return the number of decoded frames of a video; 0 if it cannot be opened yet."""
    import av
    import av.error

    count = 0
    try:
        with av.open(str(video)) as container:
            for _ in container.decode(video=0):
                count += 1
    except (av.error.FFmpegError, IndexError):
        pass
    return count


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _engine(place: Place) -> Results:
    files = (
        file for stage in ("export", "calibrate", "quantize", "graft") for file in place.store.glob(f"{stage}/*/*")
    )
    made = {f"{file.parts[-3]}/{file.name}": _digest(file) for file in files if not _is_sidecar(file)}
    return {**made, "engine": graph_digest(next(artifact_of(place.run).glob("*.onnx")))}


def _is_sidecar(file: Path) -> bool:
    return file.suffix == ".json" and file.with_suffix("").is_file()


def graph_digest(engine: Path) -> str:
    """Return the digest of nodes and weights in any order, because ONNX Runtime does not write a fixed order."""
    import onnx

    model = onnx.load(engine)
    for node in model.graph.node:
        node.name = ""
    parts = (part.SerializeToString(deterministic=True) for part in (*model.graph.node, *model.graph.initializer))
    return hashlib.sha256(b"".join(sorted(parts))).hexdigest()


def _training(place: Place) -> Results:
    folder = artifact_of(place.run)
    with (folder / "results.csv").open(newline="") as file:
        rows = [{key: value for key, value in row.items() if "time" not in key} for row in csv.DictReader(file)]
    return {"results.csv": rows, **{file.name: _digest(file) for file in folder.glob("*.safetensors")}}


def _predictions(place: Place) -> Results:
    folder = artifact_of(place.run)
    files = [file for file in folder.rglob("*") if file.is_file() and file.suffix != ".mp4"]
    videos = {file.name: frames_in(file) for file in folder.glob("*.mp4")}
    values = summary_of(place.run)["metrics"]["predict"]
    counts = {name: values[name] for name in ("frames", "total", "unreadable", "damaged", "damaged_frames")}
    return {"counts": counts, **videos, **{str(file.relative_to(folder)): _digest(file) for file in files}}


def _stream(place: Place) -> Results:
    folder = artifact_of(place.run)
    listed = len(json.loads((folder / "images.json").read_text()))
    return {"images.json": listed, "stream.mp4": frames_in(folder / "stream.mp4")}


def _sweep(place: Place) -> Results:
    found: dict[str, Any] = {}
    for job in ("0", "1"):
        metrics = summary_of(place.run / job)["metrics"]["evaluate"]
        found[f"{job}: metrics"] = {
            name: value for name, value in metrics.items() if not name.endswith(("_ms", "seconds", "per_second"))
        }
        found[f"{job}: boxes"] = _digest(artifact_of(place.run / job) / "predictions.json")
    return found


MODEL = ("weights={inputs}/tiny.safetensors", "imgsz=64")
RECORDS = ("predict.save_txt=true", "predict.save_csv=true")
DATA = "data={inputs}/data/data.yaml"
TRAIN = ("train.epochs=3", "train.batch=4", "train.nominal_batch=4", "train.workers=0", "train.plots=false")
EVALUATE = ("precision=fp32,int8", "graft.score_threshold=0.001", "evaluate.plots=false")
OPENING = {"start": "", "opening": "run/summary.json"}

SCENARIOS = (
    Scenario(
        "build",
        ("+stage=build", *MODEL, "precision=int8", "calibrate.source={inputs}/images"),
        {
            "start": "",
            "load": "run/summary.json",
            "export": "store/load/*",
            "calibrate": "store/export/*",
            "quantize": "store/calibrate/*",
            "graft, build": "store/quantize/*",
            "finish": "store/build/*",
        },
        _engine,
    ),
    Scenario(
        "train",
        ("+stage=train", *MODEL, DATA, *TRAIN),
        {
            "start": "",
            "load": "run/summary.json",
            "first epoch": "run/train*/incomplete.json",
            "later epochs": "run/train*/.state.pt",
            "finish": "store/train/*",
        },
        _training,
        resumable="run/train*/.state.pt",
    ),
    Scenario(
        "predict-images",
        ("+stage=predict", *MODEL, "source={inputs}/images", *RECORDS),
        {**OPENING, "images": "run/predict*/images.json"},
        _predictions,
        resumable="run/predict*/incomplete.json",
        prepare=("+stage=build", *MODEL),
    ),
    Scenario(
        "predict-video",
        ("+stage=predict", *MODEL, "source={inputs}/videos", *RECORDS),
        {**OPENING, "first video": "run/predict*/v0.mp4", "second video": "run/predict*/v1.mp4"},
        _predictions,
        resumable="run/predict*/incomplete.json",
        prepare=("+stage=build", *MODEL),
    ),
    Scenario(
        "predict-stream",
        ("+stage=predict", *MODEL, "source=tcp://127.0.0.1:{port}", *RECORDS, f"predict.frames={STREAM_FRAMES}"),
        {**OPENING, "frames": "run/predict*/stream.mp4"},
        _stream,
        prepare=("+stage=build", *MODEL),
    ),
    Scenario(
        "sweep",
        ("+stage=evaluate", *MODEL, DATA, *EVALUATE),
        {"start": "", "first job": "run/0/summary.json", "second job": "run/1/summary.json"},
        _sweep,
        prepare=("+stage=export", *MODEL),
        sweep=True,
    ),
)
