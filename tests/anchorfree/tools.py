"""Small networks, data and jobs for the tests of hookline-anchorfree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hookline_anchorfree.checkpoint import Weights
from hookline_anchorfree.network import WIDTHS, Detector, NetworkShape
from hookline_anchorfree.options import AnchorFreeTraining
from torch import nn

from core.kinds.training import TrainingImage, TrainingJob
from core.kinds.training_progress import EpochResult
from core.labels import Labels
from core.options.training import ImageCache
from stages.toy.generating import draw

NAMES = ("circle", "square", "triangle")


def network(num_classes: int = 3, seed: int = 0) -> Detector:
    """Random weights that give boxes of all sizes and scores from 0 to 1."""
    torch.manual_seed(seed)
    made = Detector(NetworkShape(WIDTHS["anchorfree_n"], num_classes)).eval()
    for head in made.heads:
        for branch, spread in ((head.objectness, 3.0), (head.classes, 3.0), (head.box, 0.5)):
            nn.init.normal_(branch.weight, std=spread)
            nn.init.zeros_(branch.bias)
    return made


def weights(num_classes: int = 3, seed: int = 0) -> Weights:
    """The same as a checkpoint."""
    made = network(num_classes, seed)
    return Weights("anchorfree_n", NAMES[:num_classes], made.shape, made.state_dict())


@dataclass
class Listener:
    """Implements ``TrainingWatcher``; remembers epochs and notes."""

    epochs: list[EpochResult] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    stop_after: int = 10**9

    def note(self, message: str) -> None:
        self.notes.append(message)

    warn = note

    def begin(self, epoch: int, images: int) -> None:
        if epoch >= self.stop_after:
            raise KeyboardInterrupt

    def advance(self, images: int, losses: Mapping[str, float]) -> None:
        pass

    def validate(self, session: Any, losses: Any = None) -> None:
        pass

    def finish(self, result: EpochResult) -> None:
        self.epochs.append(result)

    def page(self, name: str, path: Path) -> None:
        pass


def job(folder: Path, watcher: Listener, **changes: Any) -> TrainingJob:
    """A training of a few drawn images of 64x64."""
    drawings = [draw(np.random.default_rng([7, index]), 64, NAMES, 3) for index in range(8)]
    pictures, images = [], {}
    for index, drawing in enumerate(drawings):
        corners = drawing.boxes / 64
        boxes = np.concatenate([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], 1)
        path = Path(f"{index}.jpg")
        images[path] = drawing.image
        pictures.append(TrainingImage(path, (64, 64), Labels(drawing.classes.astype(np.int32), boxes)))
    given: dict[str, Any] = {
        "variant": "anchorfree_n", "start": None, "names": NAMES, "images": pictures, "options": AnchorFreeTraining(),
        "imgsz": 64, "epochs": 3, "batch": 4, "workers": 0, "patience": 0, "hours": None, "val_every": 1,
        "cache": ImageCache.none, "seed": 0, "device": "cpu", "folder": folder, "resume": False,
        "read": images.__getitem__,
        "watcher": watcher,
    }  # fmt: skip
    return TrainingJob(**given | changes)
