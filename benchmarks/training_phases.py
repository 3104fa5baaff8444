"""Measure the seconds per epoch of each phase of a training run.

``python -m benchmarks.training_phases --pictures ../data/coco128/images/train --weights yolov5n.pt`` trains on the
images of a folder (with labels in YOLO layout) with the default options: once with loader workers, and once without,
which shows the cost of loading and augmentation. The first epoch, in which processes start and memory is allocated, is
not counted.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from backends.yolov5 import convert_checkpoint as official
from backends.yolov5.data.batches import TrainingBatches
from backends.yolov5.data.samples import TrainingBatch
from backends.yolov5.training.distributed import join_processes
from backends.yolov5.training.loop import Batches, Loop
from backends.yolov5.training.memory import keep_freed_memory
from backends.yolov5.training.options import Hyperparameters
from benchmarks.loader import Clock, read_samples
from core.data.dataset import Sample
from core.evaluation.batches import read_sizes
from core.media.picture import read_picture

PHASES = {
    "next": "loading + augmentation",
    "_images": "to floats, NHWC",
    "_network": "forward",
    "loss": "loss",
    "backward": "backward",
    "_step": "step (clip, optimiser, EMA)",
    "epoch": "whole epoch",
}


class TimedBatches:
    """Batches that measure the time for which the loop waits for them."""

    def __init__(self, batches: Batches, clock: Clock) -> None:
        self.images, self._batches, self._clock = batches.images, batches, clock

    def __len__(self) -> int:
        return len(self._batches)

    def epoch(self, number: int, class_scores: Mapping[int, float]) -> Iterator[TrainingBatch]:
        """Yield the batches."""
        advance = self._clock.timed("next", iter(self._batches.epoch(number, class_scores)).__next__)
        for _ in range(len(self)):
            yield advance()


def main() -> None:
    """Time both ways, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, required=True, help="a folder of images, .../images/...")
    parser.add_argument("--weights", type=Path, required=True, help="an official .pt to start from")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=4)
    arguments = parser.parse_args()
    keep_freed_memory()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.machine()}")
    print(f"command: python -m benchmarks.training_phases {' '.join(sys.argv[1:])}")
    columns = {f"{workers} workers": seconds(arguments, workers) for workers in (2, 0)}
    print_table(columns)


def seconds(arguments: argparse.Namespace, workers: int) -> dict[str, float]:
    """Return seconds of the fastest epoch by phase, without the first epoch."""
    samples = read_samples(arguments.pictures)
    sizes = read_sizes([Sample(item.path, None) for item in samples])
    weights = official.read(arguments.weights)
    network = weights.network().train().requires_grad_(requires_grad=True)
    hyperparameters = Hyperparameters(epochs=arguments.epochs + 1, batch=arguments.batch, workers=workers)
    clock, found = Clock(), []
    with join_processes(torch.device("cpu")) as distributed:
        batches = TrainingBatches(samples, sizes, read_picture, hyperparameters, network.config, distributed)
        loop = timed(Loop(network, hyperparameters, TimedBatches(batches, clock), distributed), clock)
        for epoch in range(hyperparameters.epochs):
            start = time.perf_counter()
            loop.train_epoch(epoch, {}, lambda *_: None)
            times = clock.take()
            times["epoch"] = (time.perf_counter() - start) * 1e3
            times["backward"] = times.pop("_backward") - sum(times[name] for name in ("_images", "_network", "loss"))
            found.append({name: value / 1e3 for name, value in times.items()})
        batches.close()
    return min(found[1:], key=lambda times: times["epoch"])


def timed(loop: Any, clock: Clock) -> Loop:
    """Return the loop with timed steps; ``_backward`` without the other steps is the backward pass."""
    for name in ("_images", "_network", "loss", "_step", "_backward"):
        setattr(loop, name, clock.timed(name, getattr(loop, name)))
    return loop


def print_table(columns: Mapping[str, Mapping[str, float]]) -> None:
    """Print seconds and share of the epoch, two columns per way."""
    print("\n| phase | " + " | ".join(f"{name}, s | share" for name in columns) + " |")
    print("| --- |" + " --- | --- |" * len(columns))
    for phase, title in PHASES.items():
        cells = (f"{times[phase]:.2f} | {times[phase] / times['epoch']:.0%}" for times in columns.values())
        print(f"| {title} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
