"""Compare peak memory and time of calibration, plain inference and ONNX Runtime's own calibrator, one process each.

``python -m benchmarks.calibration_memory --source images/ yolov5s.onnx`` takes a float32 model with the layout
``heads``. Inference and calibration read and prepare the same images in the same way. ``theirs`` is the entropy
calibrator of ``onnxruntime.quantization`` with ``--theirs`` images: it keeps all activations of all images in memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from core.process.resources import machine
from core.process.versions import versions

if TYPE_CHECKING:
    from core.inference.detector import PreparedBatch

SHOWN = ("onnxruntime", "opencv-python", "numpy")


def main() -> None:
    """Measure each method in a subprocess and print the table; in a subprocess, run one method."""
    arguments = read_arguments()
    if arguments.work:
        print(json.dumps(measured(lambda: WORKS[arguments.work](arguments))))
        return
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    print(", ".join(f"{name} {value}" for name, value in versions().items() if name in SHOWN))
    print(f"command: python -m benchmarks.calibration_memory {' '.join(sys.argv[1:])}\n")
    print("| task | images | seconds | CPU seconds | peak memory MB |")
    print("| --- |" + " --- |" * 4)
    for work in ("inference", "minmax", "percentile", "entropy", *(["theirs"] if arguments.theirs else [])):
        print(f"| {work} | {figures(work)} |", flush=True)


def read_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("onnx", type=Path, help="float32 heads model, e.g. from +stage=export")
    parser.add_argument("--source", required=True, help="images to calibrate on")
    parser.add_argument("--pictures", type=int, default=128)
    parser.add_argument("--theirs", type=int, default=8, help="images for ONNX Runtime's own calibrator; 0 disables it")
    parser.add_argument("--imgsz", type=int, default=640)
    parser.add_argument("--work", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def figures(work: str) -> str:
    """Return one row, measured in a subprocess."""
    command = [sys.executable, "-m", "benchmarks.calibration_memory", *sys.argv[1:], "--work", work]
    run = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    if run.returncode:
        sys.exit(run.stderr)
    found = json.loads(run.stdout.splitlines()[-1])
    return f"{found['pictures']} | {found['seconds']:.1f} | {found['cpu']:.1f} | {found['memory'] / 1e6:.0f}"


def measured(work: Callable[[], int]) -> dict[str, float]:
    """Return time and peak memory of ``work``, which returns the number of its images."""
    start, cpu = time.perf_counter(), time.process_time()
    pictures = work()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return {"pictures": pictures, "seconds": seconds, "cpu": cpu, "memory": memory}


def batches(arguments: argparse.Namespace, count: int) -> Iterator[PreparedBatch]:
    """Yield images as network inputs, read and letterboxed ahead as in the stage calibrate."""
    from backends.cv.plugin import hookline_processors
    from core.inference.calibration_images import prepared_batches
    from core.media.source import list_source
    from core.media.tolerance import Tolerance
    from core.model_facts import InputContract

    (part,) = hookline_processors()
    context = SimpleNamespace(processor=lambda _: part.load(part.options()), seed=0)
    config = SimpleNamespace(processor="opencv", pictures=count, batch=1)
    contract = InputContract(batch=1, height=arguments.imgsz, width=arguments.imgsz)
    source, tolerance = list_source(arguments.source), Tolerance(count, print)
    with prepared_batches(config, contract, source, tolerance, context) as prepared:
        yield from prepared


def infer(arguments: argparse.Namespace) -> int:
    """Run FP32 inference only."""
    import onnxruntime as ort

    from backends.ort.loading import Level, load_session, session_options
    from backends.ort.options import OrtOptions

    session: ort.InferenceSession = load_session(
        arguments.onnx, session_options(OrtOptions(), Level.ORT_ENABLE_ALL), str(arguments.onnx)
    )
    return sum(bool(session.run(None, {"images": batch.images})) for batch in batches(arguments, arguments.pictures))


def calibrate(arguments: argparse.Namespace) -> int:
    """Run the calibration of hookline: a histogram per activation, and the ranges at the end."""
    from backends.calibrators.plugin import hookline_calibrators
    from backends.ort.options import OrtOptions
    from backends.ort.recorder import OrtActivationRecorder
    from core.model_facts import InputContract
    from stages.calibrate.calibrating import observe

    (part,) = (item for item in hookline_calibrators() if item.name == arguments.work)
    observer = part.load(part.options())
    contract = InputContract(batch=1, height=arguments.imgsz, width=arguments.imgsz)
    model = SimpleNamespace(path=arguments.onnx, contract=contract)
    with OrtActivationRecorder(model, OrtOptions()) as recorder:
        done = sum(observe(recorder, batches(arguments, arguments.pictures), observer, contract))
    observer.ranges()
    return done


def calibrate_theirs(arguments: argparse.Namespace) -> int:
    """Run the entropy calibrator of ONNX Runtime."""
    from onnxruntime.quantization import CalibrationMethod
    from onnxruntime.quantization.calibrate import create_calibrator

    images = [batch.images for batch in batches(arguments, arguments.theirs)]
    waiting = iter(images)
    reader = SimpleNamespace(get_next=lambda: {"images": item} if (item := next(waiting, None)) is not None else None)
    with tempfile.TemporaryDirectory() as folder:
        calibrator = create_calibrator(
            arguments.onnx,
            augmented_model_path=str(Path(folder) / "augmented.onnx"),
            calibrate_method=CalibrationMethod.Entropy,
        )
        calibrator.collect_data(reader)
        calibrator.compute_data()
    return len(images)


WORKS = {
    "inference": infer,
    "minmax": calibrate,
    "percentile": calibrate,
    "entropy": calibrate,
    "theirs": calibrate_theirs,
}

if __name__ == "__main__":
    main()
