"""A network small enough to train in a test, and batches that need no files."""

from __future__ import annotations

import copy
from dataclasses import fields, replace
from pathlib import Path

import torch

from backends.yolov5.checkpoint import Weights
from backends.yolov5.config import P5_ANCHORS, ModelConfig
from backends.yolov5.data.samples import TrainingBatch
from backends.yolov5.model import YOLOv5
from backends.yolov5.training.hyperparameters import Hyperparameters
from backends.yolov5.training.loop import Loop
from backends.yolov5.training.options import TrainingOptions
from backends.yolov5.training.processes import Processes
from backends.yolov5.training.trainer import Trainer, ValidationScores

TINY = ModelConfig(num_classes=2, anchors=P5_ANCHORS, channels=(8, 8, 8, 8, 8), repeats=(1, 1, 1, 1), head_repeats=1)
QUICK = TrainingOptions(nominal_batch=8, warmup_epochs=0.0, lr0=0.01)
RECIPE = {item.name for item in fields(Hyperparameters)} - {"options"}


def tiny_network(seed=0, config=TINY):
    torch.manual_seed(seed)
    return YOLOv5(config)


def furthest(one, other):
    """The largest difference between the weights and statistics of two states."""
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one if one[name].is_floating_point())


class MadeUpBatches:
    """Random pictures, each with one box; the same for the same epoch, or for all of them.

    ``asked``: the epochs and class scores they were asked for.
    """

    def __init__(self, count=4, size=2, *, rank=0, world=1, imgsz=64, before=None, repeated=False):
        self.pictures, self.repeated, self.asked = count * size * world, repeated, []
        self.count, self.size, self.rank, self.world, self.imgsz, self.before = count, size, rank, world, imgsz, before

    def __len__(self):
        return self.count

    def epoch(self, number, class_scores):
        self.asked.append((number, dict(class_scores)))
        for index in range(self.count):
            generator = torch.Generator().manual_seed(1000 * number * (not self.repeated) + index)
            whole = self.size * self.world
            images = torch.randint(0, 256, (whole, 3, self.imgsz, self.imgsz), generator=generator, dtype=torch.uint8)
            boxes = torch.rand(whole, 4, generator=generator) * 0.1 + torch.tensor(
                [0.4, 0.4, 0.5, 0.5]
            )  # every level sees it
            classes = torch.randint(0, 2, (whole, 1), generator=generator)
            mine = slice(self.rank, None, self.world)
            rows = torch.arange(self.size)[:, None]
            targets = torch.cat((rows, classes[mine], boxes[mine]), 1).float()
            if self.before:
                self.before(number, index)
            yield TrainingBatch(images[mine], targets, [Path(f"{number}-{index}.jpg")] * self.size)


class Notes:
    """A listener that remembers; ``scores`` gives fitness by epoch. ``validated``: the states it was shown."""

    def __init__(self, scores=(), *, stop_in=None):
        self.lines, self.epochs, self.scores, self.stop_in, self.batches = [], [], list(scores), stop_in, 0
        self.validated = []

    def begin(self, epoch, pictures):
        self.current = epoch

    def advance(self, pictures, losses):
        self.batches += 1
        if self.stop_in == (self.current, self.batches):
            raise KeyboardInterrupt

    def validate(self, averaged):
        self.validated.append(copy.deepcopy(averaged.state_dict()))
        value = self.scores[self.current] if self.current < len(self.scores) else 0.1
        return ValidationScores(value, value, {0: value})

    def finish(self, epoch):
        self.epochs.append(epoch)
        self.batches = 0

    def note(self, message):
        self.lines.append(message)


def recipe(**changes):
    """A recipe of quick steps; ``changes`` are of its own fields and of its options."""
    own = {"imgsz": 64, "batch": 2, **{name: changes.pop(name) for name in RECIPE & changes.keys()}}
    options = changes.pop("options", QUICK)
    return Hyperparameters(**own, options=replace(options, **changes))


def course(folder, *, listener=None, batches=None, processes=None, seed=0, **changes):
    """A course ready to run."""
    here = processes or Processes(0, 1, torch.device("cpu"))
    loop = Loop(tiny_network(seed), recipe(**{"epochs": 3, **changes}), batches or MadeUpBatches(), here)
    weights = Weights(TINY, "tiny", ("a", "b"), {})
    return Trainer(loop, weights, folder, listener or Notes())
