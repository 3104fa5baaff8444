"""Measure the cost of training images: each by phase, and images per second with worker processes.

``python -m benchmarks.loader ../data/coco128/images/train`` makes mosaics of the images of a folder (with labels in
YOLO layout) with the default augmentation. ``canvas`` makes the same images in the usual way: decode and resize four
images, paste them onto a canvas of twice the side length, warp it, change its colours with tables, and collate with a
DataLoader. Both are timed alternately in one process. The fastest round of each image counts, which reduces the
influence of other work on the machine.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from backends.yolov5.data import images as training
from backends.yolov5.data import mosaic as scene
from backends.yolov5.data.boxes import follow, project, random_matrix, to_corners, to_fractions
from backends.yolov5.data.drawing import random_gains
from backends.yolov5.data.images import TrainingImages
from backends.yolov5.data.loader import Loader
from backends.yolov5.data.mosaic import Tile, flip, mosaic
from backends.yolov5.data.sampler import EpochSampler
from backends.yolov5.data.samples import Draw, LabelledImage, Purpose, generator
from backends.yolov5.training.options import TrainingOptions
from core.data.dataset import Sample, label_path
from core.labels import load_labels
from core.media.picture import read_picture
from core.options.training import ImageCache
from tests.backends.yolov5.data.canvas import compose_on_canvas

Draws = list[Draw]


class Clock:
    """Milliseconds by phase, between two calls of :meth:`take`."""

    def __init__(self) -> None:
        self._times: dict[str, float] = defaultdict(float)

    def timed(self, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, with its time counted."""

        def counted(*arguments: Any, **options: Any) -> Any:
            start = time.perf_counter()
            result = function(*arguments, **options)
            self._times[phase] += (time.perf_counter() - start) * 1e3
            return result

        return counted

    def take(self) -> dict[str, float]:
        """Return the milliseconds since the last call."""
        times, self._times = dict(self._times), defaultdict(float)
        return times


class CanvasPictures(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """The usual way, with the same random numbers."""

    def __init__(self, samples: list[LabelledImage], imgsz: int, clock: Clock | None = None) -> None:
        self.samples, self.side, self.settings = samples, imgsz, TrainingOptions()
        timed = clock.timed if clock else lambda _, function: function
        self._read, self._draw = timed("read", read_picture), timed("draw", compose_on_canvas)
        self._boxes, self._flip = timed("boxes", self._rows), timed("flip", flip)
        self._colours, self._planes = timed("colours", three_tables), timed("planes", planes)

    def __getitem__(self, draw: Draw) -> tuple[torch.Tensor, torch.Tensor]:
        rng = generator(0, Purpose.IMAGE, draw.epoch, draw.index, draw.position)
        rng.random(2)
        indices = rng.permutation([draw.index, *rng.integers(len(self.samples), size=3)]).tolist()
        tiles = mosaic(indices, self.side, rng)
        matrix = random_matrix(self.settings, rng, (2 * self.side, 2 * self.side), (self.side, self.side))
        images = {index: self._read(self.samples[index].image) for index in indices}
        image = self._draw(tiles, matrix, self.side, images)
        rows = self._boxes(tiles, matrix, images)
        sideways = bool(rng.random(2)[0] < self.settings.fliplr)
        image, rows = self._flip(image, rows, fliplr=sideways, flipud=False)
        image = self._colours(image, random_gains(self.settings, rng))
        targets = np.column_stack([rows[:, :1], to_fractions(rows[:, 1:], (self.side, self.side))])
        return torch.from_numpy(self._planes(image)), torch.from_numpy(targets.astype(np.float32))

    def _rows(self, tiles: list[Tile], matrix: np.ndarray, images: dict[int, np.ndarray]) -> np.ndarray:
        rows = [np.empty((0, 5))]
        for tile in tiles:
            sample, shape = self.samples[tile.index], images[tile.index].shape[:2]
            place, covered = tile.place(shape)
            on_canvas = project(place, to_corners(sample.boxes, shape))
            moved, kept = follow(on_canvas, matrix, covered, (self.side, self.side))
            rows.append(np.column_stack([sample.classes, moved])[kept])
        return np.concatenate(rows)


def three_tables(image: np.ndarray, gains: tuple[float, float, float]) -> np.ndarray:
    """Change hue, saturation and value with one table each."""
    values = np.arange(256)
    tables = [values * gains[0] % 180, *(np.clip(values * gain, 0, 255) for gain in gains[1:])]
    channels = cv2.split(cv2.cvtColor(image, cv2.COLOR_BGR2HSV))
    changed = [cv2.LUT(channel, table.astype(np.uint8)) for channel, table in zip(channels, tables, strict=True)]
    return cv2.cvtColor(cv2.merge(changed), cv2.COLOR_HSV2BGR)


def planes(image: np.ndarray) -> np.ndarray:
    """Convert BGR [H, W, 3] to RGB [3, H, W]."""
    return np.ascontiguousarray(image.transpose(2, 0, 1)[::-1])


def main() -> None:
    """Time both ways, and print two tables."""
    arguments = read_arguments()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    samples = read_samples(arguments.folder)
    print(f"{len(samples)} images, mosaics at {arguments.imgsz}, OpenCV {cv2.__version__}, {platform.machine()}")
    print(f"command: python -m benchmarks.loader {' '.join(sys.argv[1:])}")
    print_phases(phases(samples, arguments.imgsz, arguments.rounds))
    print_rates(rates(samples, arguments))


def read_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a folder of images, .../images/...")
    parser.add_argument("--imgsz", type=int, default=640)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


def read_samples(folder: Path) -> list[LabelledImage]:
    """Return the images of the folder with their labels."""
    samples = []
    for image in sorted(path for path in folder.iterdir() if path.suffix.lower() in {".jpg", ".jpeg", ".png"}):
        label = label_path(image)
        labels = load_labels(Sample(image, label if label.is_file() else None), [str(number) for number in range(80)])
        samples.append(LabelledImage(image, labels.classes, labels.boxes.astype(np.float32)))
    if not samples:
        raise SystemExit(f"no images in '{folder}'")
    return samples


def ours(samples: list[LabelledImage], imgsz: int, cache: ImageCache) -> TrainingImages:
    """Return the images of hookline's data loader."""
    return TrainingImages(samples, read_picture, TrainingOptions(), imgsz=imgsz, epochs=1, seed=0, cache=cache)


def phases(samples: list[LabelledImage], imgsz: int, rounds: int) -> dict[str, dict[str, float]]:
    """Return milliseconds per image by phase: the fastest round of each image, mean over images."""
    clock = Clock()
    scene.draw = clock.timed("draw", scene.draw)
    scene.follow = clock.timed("boxes", scene.follow)
    training.flip = clock.timed("flip", training.flip)
    training.write_planes = clock.timed("colours", training.write_planes)
    made = {cache.value: ours(samples, imgsz, cache) for cache in ImageCache}
    for images in made.values():
        images.read = clock.timed("read", images.read)
    ways: dict[str, Any] = {"canvas": CanvasPictures(samples, imgsz, clock), **made}
    timed = {name: clock.timed("all", images.__getitem__) for name, images in ways.items()}
    best: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    clock.take()
    for index in range(len(samples)):
        for name, make in timed.items():
            tries = []
            for _ in range(rounds):
                make(Draw(0, index, index))
                tries.append(clock.take())
            best[name].append(min(tries, key=lambda times: times["all"]))
    return {name: _means(rows) for name, rows in best.items()}


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    return {phase: float(np.mean([row.get(phase, 0) for row in rows])) for phase in sorted(set().union(*rows))}


def rates(samples: list[LabelledImage], arguments: argparse.Namespace) -> dict[str, list[float]]:
    """Return images per second of whole epochs, measured alternately, without the first epoch (process start-up)."""
    sampler = EpochSampler(count=len(samples) * 4, batch=arguments.batch, seed=0)
    repeated = samples * 4
    ways: dict[str, Callable[[int], Iterable[Any]]] = {"canvas": canvas_batches(repeated, sampler, arguments)}
    for cache in ImageCache:
        ways[cache] = Loader(ours(repeated, arguments.imgsz, cache), sampler, workers=arguments.workers).epoch
    found: dict[str, list[float]] = {name: [] for name in ways}
    for epoch in range(arguments.rounds + 1):
        for name, batches in ways.items():
            start = time.perf_counter()
            for _ in batches(epoch):
                pass
            if epoch:
                found[name].append(len(repeated) / (time.perf_counter() - start))
    return found


def canvas_batches(
    samples: list[LabelledImage], sampler: EpochSampler, arguments: argparse.Namespace
) -> Callable[[int], Iterable[Any]]:
    """Return batches of the usual way, from a DataLoader with default settings."""
    epochs: list[int] = [0]

    class Batches:
        def __iter__(self) -> Iterator[Draws]:
            return iter(sampler.batches(epochs[0]))

    def stacked(items: list[tuple[torch.Tensor, torch.Tensor]]) -> tuple[torch.Tensor, torch.Tensor]:
        images = torch.stack([image for image, _ in items])
        numbered = [torch.nn.functional.pad(rows, (1, 0), value=number) for number, (_, rows) in enumerate(items)]
        return images, torch.cat(numbered)

    loader = DataLoader(
        CanvasPictures(samples, arguments.imgsz),
        batch_sampler=Batches(),  # type: ignore[arg-type]
        num_workers=arguments.workers,
        collate_fn=stacked,
        persistent_workers=arguments.workers > 0,
        worker_init_fn=lambda _: cv2.setNumThreads(0),
    )

    def epoch(number: int) -> Iterable[Any]:
        epochs[0] = number
        return loader

    return epoch


def print_phases(table: dict[str, dict[str, float]]) -> None:
    """Print one column per way."""
    print(f"\n{'ms per image':14}" + "".join(f"{name:>10}" for name in table))
    for phase in ("read", "draw", "boxes", "flip", "colours", "planes", "all"):
        print(f"{phase:14}" + "".join(f"{times.get(phase, 0):10.2f}" for times in table.values()))


def print_rates(table: dict[str, list[float]]) -> None:
    """Print median and best epoch of each way."""
    print(f"\n{'images per second':20}{'median':>10}{'best':>10}")
    for name, values in table.items():
        print(f"{name:20}{np.median(values):10.0f}{max(values):10.0f}")


if __name__ == "__main__":
    main()
