"""Measure the inference of an engine with and without CUDA graphs, from host memory and from device memory.

``python -m benchmarks.gpu.session outputs/.../build/yolov5s-int8.engine`` opens an engine of ``+stage=build`` (with its
sidecar next to it), infers random images in the size that it was built for, and prints a Markdown table. ``host``
copies a NumPy batch to the device and the outputs back; ``device`` takes a batch in device memory and waits for the
result; ``device, in a row`` waits once at the end. The table has the median milliseconds per batch and the images per
second. Needs TensorRT (or TensorRT-RTX), CuPy and a GPU.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from backends.nvidia.gpu import choose
from backends.nvidia.nvml import Gpu
from backends.trt.library import Library, load
from backends.trt.opening import open_on, open_session
from backends.trt.session import TrtSession
from core.artifacts import Engine
from core.errors import HooklineError
from core.storage.sidecar import check_engine_file, read_artifact

ROW = 20
"""Number of batches before the wait at the end."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Open and time the engine, and print the table."""
    asked = read_arguments(arguments)
    try:
        engine = read_engine(asked.engine)
        library, gpu = load(engine.runtime), choose(asked.device)
        rows = list(measure(engine, library, gpu, asked))
    except HooklineError as error:
        sys.exit(str(error))
    print(
        f"{gpu.name}, driver {gpu.driver}, {library.title} {library.version}; {asked.engine.name}, batch {asked.batch}"
    )
    print(f"median of {asked.rounds} rounds; python -m benchmarks.gpu.session {' '.join(sys.argv[1:])}\n")
    print("| input | graphs | ms per batch | images per second |\n| --- | --- | ---: | ---: |")
    for way, graphs, milliseconds in rows:
        print(f"| {way} | {'yes' if graphs else 'no'} | {milliseconds:.3f} | {asked.batch / milliseconds * 1e3:.0f} |")


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", type=Path)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--device", default="auto")
    return parser.parse_args(arguments)


def read_engine(path: Path) -> Engine:
    """Return the engine whose plan is ``path``.

    Raises:
        HooklineError: There is none, or it is not the file that was built.
    """
    artifact = read_artifact(path)
    if not isinstance(artifact, Engine):
        raise HooklineError(f"'{path}' has no engine sidecar next to it", "give an engine that +stage=build made")
    return check_engine_file(artifact, artifact.runtime)


def measure(engine: Engine, library: Library, gpu: Gpu, asked: argparse.Namespace) -> Iterator[tuple[str, bool, float]]:
    """Yield the way, whether it uses graphs, and milliseconds per batch."""
    device = open_on(gpu)
    contract = engine.contract
    images = np.random.default_rng(0).random((asked.batch, 3, contract.height, contract.width), np.float32)
    for graphs in (False, True):
        with open_session(engine, library, device, graphs=graphs) as session:
            there = device.empty(images.shape, np.dtype(session.input_dtype), session.stream)
            address = there.__cuda_array_interface__["data"][0]
            device.upload(images.astype(session.input_dtype).reshape(-1).view(np.uint8), address, session.stream)
            for way, work, batches in ways(session, images, there):
                yield way, graphs, timed(work, asked.rounds) / batches


def ways(session: TrtSession, images: np.ndarray, there: Any) -> list[tuple[str, Callable[[], object], int]]:
    """Return name, function, and number of batches that it infers."""

    def in_a_row() -> None:
        for _ in range(ROW - 1):
            session.run_device(there)
        session.run(there)

    return [
        ("host", lambda: session.run(images), 1),
        ("device", lambda: session.run(there), 1),
        ("device, in a row", in_a_row, ROW),
    ]


def timed(work: Callable[[], object], rounds: int) -> float:
    """Return the median milliseconds after some warm-up runs."""
    times = []
    for number in range(rounds + 5):
        start = time.perf_counter()
        work()
        if number >= 5:
            times.append((time.perf_counter() - start) * 1e3)
    return median(times)


if __name__ == "__main__":
    main()
