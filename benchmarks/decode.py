"""Measure what the decode in the graph costs in ONNX Runtime, compared with the heads alone and the classic output.

``python -m benchmarks.decode yolov5n.pt --picture bus.jpg`` exports the weights, appends the decode at several
thresholds, and times all models alternately in one process. ``heads + NumPy`` decodes outside the graph.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import onnxruntime as ort

from backends.cv.plugin import hookline_processors
from backends.graphsurgeon.options import YoloLayerOptions
from backends.graphsurgeon.yolo_layer import YoloLayerGraft
from backends.ort.options import OrtOptions
from backends.ort.runtime import OrtRuntime
from backends.yolov5.backend import YOLOv5Backend
from backends.yolov5.facts import HEADS, LAYOUTS, anchors_of
from backends.yolov5.head import head
from core.artifacts import Checkpoint, GraftedModel, QuantizedModel
from core.kinds.session import Session
from core.model_facts import DECODED, InputContract
from cuda_plugins.signature import NUM
from cuda_plugins.yolo_layer import yolo_layer

THRESHOLDS = (0.25, 0.001, 0.0)
PAUSE = 0.02
"""Seconds until the threads of the previous session have stopped spinning."""


def main() -> None:
    """Export, graft and time the models, and print a table."""
    arguments = read_arguments()
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = YOLOv5Backend().read(arguments.weights, Path(folder) / "weights.safetensors")
        contract = InputContract(batch=1, height=arguments.imgsz, width=arguments.imgsz)
        sessions = open_all(checkpoint, contract, Path(folder), arguments.threads)
        images = prepared(arguments.picture, contract)
        times = interleaved(works(sessions, images), arguments.rounds)
        rows = {name: int(session.run(images)[NUM].item()) for name, session in sessions.items() if "graft" in name}
    print(f"{checkpoint.facts.variant} {arguments.imgsz}, batch 1, onnxruntime {ort.__version__}, {platform.machine()}")
    print(f"{arguments.rounds} rounds, alternately; command: python -m benchmarks.decode {' '.join(sys.argv[1:])}")
    print_table(times, rows)


def read_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, help="an official .pt or a .safetensors of hookline")
    parser.add_argument("--picture", type=Path, required=True, help="an image with objects")
    parser.add_argument("--imgsz", type=int, default=640)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--threads", type=int, default=0, help="0: all cores")
    return parser.parse_args()


def open_all(checkpoint: Checkpoint, contract: InputContract, folder: Path, threads: int) -> dict[str, Session]:
    """Return sessions of the heads, the classic output, and the grafted model of each threshold."""
    runtime = OrtRuntime(OrtOptions(threads=threads))
    models = {layout: exported(checkpoint, contract, layout, folder) for layout in LAYOUTS}
    sessions: dict[str, Session] = {layout: runtime.open(model, device="cpu") for layout, model in models.items()}
    for threshold in THRESHOLDS:
        model = grafted(models[HEADS], folder / f"{threshold}.onnx", threshold)
        sessions[f"grafted at {threshold}"] = runtime.open(model, device="cpu")
    return sessions


def exported(checkpoint: Checkpoint, contract: InputContract, layout: str, folder: Path) -> QuantizedModel:
    """Export the float32 graph of one layout."""
    target = folder / f"{layout}.onnx"
    YOLOv5Backend().export(checkpoint, target, contract=contract, layout=layout, opset=17)
    return QuantizedModel(path=target, facts=checkpoint.facts, contract=contract, layout=layout, runtime="onnxruntime")


def grafted(model: QuantizedModel, target: Path, threshold: float) -> GraftedModel:
    """Append the decode step to the heads."""
    YoloLayerGraft(YoloLayerOptions()).append(model, head(model.facts, model.layout), target, score_threshold=threshold)
    return GraftedModel(
        path=target,
        facts=model.facts,
        contract=model.contract,
        layout=DECODED,
        runtime=model.runtime,
        graft="yolo_layer",
        score_threshold=threshold,
    )


def prepared(picture: Path, contract: InputContract) -> np.ndarray:
    """Return the image as network input."""
    (processor,) = hookline_processors()
    pixels = cv2.imread(str(picture))
    if pixels is None:
        raise SystemExit(f"'{picture}' is not an image")
    images, _ = processor.load(processor.options()).prepare([pixels], contract)
    return images.copy()


def works(sessions: Mapping[str, Session], images: np.ndarray) -> dict[str, Callable[[], object]]:
    """Return the functions to time, by name."""
    heads = sessions["heads"]
    facts = heads.facts
    anchors = [value for level in anchors_of(facts) for value in level]

    def decoded_outside() -> object:
        return yolo_layer(
            list(heads.run(images).values()),
            max_stride=facts.max_stride,
            num_classes=facts.num_classes,
            anchors=anchors,
            threshold=THRESHOLDS[0],
        )

    runs = {name: lambda session=session: session.run(images) for name, session in sessions.items()}
    return {**runs, f"heads + NumPy at {THRESHOLDS[0]}": decoded_outside}


def interleaved(works: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Return milliseconds per function; each round calls all of them, so that other load affects all equally."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 3):
        for name, work in works.items():
            time.sleep(PAUSE)
            start = time.perf_counter()
            work()
            if number >= 3:
                times[name].append((time.perf_counter() - start) * 1e3)
    return times


def print_table(times: Mapping[str, list[float]], rows: Mapping[str, int]) -> None:
    """Print minimum and median in ms, the median difference to the heads of the same round, and the rows kept."""
    print(f"{'':28}{'min ms':>9}{'median':>9}{'- heads':>9}{'rows':>8}")
    for name, values in times.items():
        difference = median(value - base for value, base in zip(values, times["heads"], strict=True))
        print(f"{name:28}{min(values):9.2f}{median(values):9.2f}{difference:9.2f}{rows.get(name, ''):>8}")


if __name__ == "__main__":
    main()
