"""Reports of a training run to the ``train`` stage: epochs, validation with losses, and the page of the first batch."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from backends.yolov5.config import level_names
from backends.yolov5.data.samples import TrainingBatch
from backends.yolov5.devices import TorchDevice
from backends.yolov5.facts import HEADS
from backends.yolov5.model import Heads, YOLOv5
from backends.yolov5.session import TorchSession
from backends.yolov5.training.loop import PARTS
from backends.yolov5.training.loss import DetectionLoss
from backends.yolov5.training.trainer import Epoch, ValidationScores
from core.drawing.tiles import Tiles, label_page, write_jpeg
from core.kinds.training import TrainingJob
from core.kinds.training_progress import EpochResult, EpochScores, ValidationLosses
from core.label_classes import ALL_CLASSES
from core.labels import Labels
from core.model_facts import InputContract, ModelFacts
from core.process import resources

PAGE_IMAGES = 16
"""Maximum number of images on the page of the first batch."""
TILES = Tiles(side=480, gap=8, caption=14)


class WatcherAdapter:
    """Implements :class:`~backends.yolov5.training.trainer.TrainerListener` with the watcher of the stage."""

    def __init__(self, job: TrainingJob, facts: ModelFacts, device: torch.device, loss: DetectionLoss) -> None:
        self._watcher, self._facts, self._device = job.watcher, facts, device
        self._losses = validation_losses(loss)
        side = job.imgsz
        self._contract = InputContract(batch=1, height=side, width=side, dynamic=("batch", "height", "width"))
        self._scores: EpochScores | None = None
        self.note = self._watcher.note
        self.begin = self._watcher.begin
        self.advance = self._watcher.advance

    def validate(self, averaged: YOLOv5) -> ValidationScores | None:
        """Validate a fused copy of the averaged weights."""
        network = copy.deepcopy(averaged).float().fuse().eval()
        device = TorchDevice(self._device)
        with TorchSession(Heads(network), self._facts, self._contract, HEADS, device) as session:
            self._scores = self._watcher.validate(session, self._losses)
        if self._scores is None:
            return None
        return ValidationScores(self._scores.map50, self._scores.map50_95, self._scores.classes)

    def finish(self, epoch: Epoch) -> None:
        """Report the epoch with the scores of its validation."""
        scores, self._scores = self._scores, None
        self._watcher.finish(
            EpochResult(
                epoch=epoch.number,
                losses=epoch.losses,
                rates=epoch.rates,
                scores=scores,
                fitness=epoch.fitness,
                best=epoch.best,
                seconds=epoch.seconds,
                images=epoch.images,
                memory=epoch.memory or resources.peak(),
            )
        )


def validation_losses(loss: DetectionLoss) -> ValidationLosses:
    """Return a function that computes the losses of a batch from session outputs, and objects and regions in pixels."""
    strides = loss.config.strides

    def losses(
        outputs: Mapping[str, NDArray[np.number]], objects: NDArray[np.float32], regions: NDArray[np.float32]
    ) -> dict[str, float]:
        levels = [torch.from_numpy(outputs[name]) for name in level_names(len(strides))]
        height, width = (side * strides[0] for side in levels[0].shape[2:])
        size = torch.tensor([1, 1, width, height, width, height], dtype=torch.float32)
        with torch.inference_mode():
            targets, ignored = torch.from_numpy(objects) / size, torch.from_numpy(regions) / size[1:]
            _, parts = loss(levels, targets, ignored, activated=True)
        return dict(zip(PARTS, parts.tolist(), strict=True))

    return losses


def draw_batch(batch: TrainingBatch, names: Sequence[str], folder: Path) -> Path:
    """Write ``train_batch.jpg``: up to 16 images of a batch as the network sees them, with boxes and ignore regions."""
    images = [np.ascontiguousarray(image[::-1].transpose(1, 2, 0)) for image in batch.images[:PAGE_IMAGES].numpy()]
    labels = [_labels(batch, index) for index in range(len(images))]
    items = zip(images, labels, [path.name for path in batch.paths], strict=False)  # a batch may have more
    target = folder / "train_batch.jpg"
    write_jpeg(label_page(items, names, TILES, math.ceil(math.sqrt(len(images)))), target)
    return target


def _labels(batch: TrainingBatch, image: int) -> Labels:
    """Return objects and regions of one image of a batch."""
    targets, regions = (rows[rows[:, 0] == image].numpy().astype(np.float64) for rows in (batch.targets, batch.regions))
    every = np.full(len(regions), ALL_CLASSES, np.int32)
    return Labels(targets[:, 1].astype(np.int32), targets[:, 2:], regions[:, 1:], every)
