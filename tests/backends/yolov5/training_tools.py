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
from backends.yolov5.training.distributed import Distributed
from backends.yolov5.training.loop import Loop
from backends.yolov5.training.options import Hyperparameters, TrainingOptions
from backends.yolov5.training.trainer import Trainer, ValidationScores

TINY = ModelConfig(num_classes=2, anchors=P5_ANCHORS, channels=(8, 8, 8, 8, 8), repeats=(1, 1, 1, 1), head_repeats=1)
QUICK = TrainingOptions(nominal_batch=8, warmup_epochs=0.0, lr0=0.01)
OWN_FIELDS = {item.name for item in fields(Hyperparameters)} - {"options"}


def tiny_network(seed=0, config=TINY):
    torch.manual_seed(seed)
    return YOLOv5(config)


def largest_difference(one, other):
    """Return the largest difference between weights and statistics of two states."""
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one if one[name].is_floating_point())


class RandomBatches:
    """Random images with one box each, the same for an epoch, or for all epochs if ``repeated``.

    ``asked``: the requested epochs and class scores.
    """

    def __init__(self, count=4, size=2, *, rank=0, world_size=1, imgsz=64, before=None, repeated=False):
        self.images, self.repeated, self.asked = count * size * world_size, repeated, []
        self.count, self.size, self.rank, self.world_size, self.imgsz, self.before = (
            count,
            size,
            rank,
            world_size,
            imgsz,
            before,
        )

    def __len__(self):
        return self.count

    def epoch(self, number, class_scores):
        self.asked.append((number, dict(class_scores)))
        for index in range(self.count):
            generator = torch.Generator().manual_seed(1000 * number * (not self.repeated) + index)
            whole = self.size * self.world_size
            images = torch.randint(0, 256, (whole, 3, self.imgsz, self.imgsz), generator=generator, dtype=torch.uint8)
            boxes = torch.rand(whole, 4, generator=generator) * 0.1 + torch.tensor(
                [0.4, 0.4, 0.5, 0.5]
            )  # every level sees it
            classes = torch.randint(0, 2, (whole, 1), generator=generator)
            mine = slice(self.rank, None, self.world_size)
            rows = torch.arange(self.size)[:, None]
            targets = torch.cat((rows, classes[mine], boxes[mine]), 1).float()
            if self.before:
                self.before(number, index)
            yield TrainingBatch(images[mine], targets, [Path(f"{number}-{index}.jpg")] * self.size)


class RecordingListener:
    """A listener that records; ``scores`` is the fitness by epoch, ``validated`` the states that were validated."""

    def __init__(self, scores=(), *, stop_in=None):
        self.lines, self.epochs, self.scores, self.stop_in, self.batches = [], [], list(scores), stop_in, 0
        self.validated = []

    def begin(self, epoch, images):
        self.current = epoch

    def advance(self, images, losses):
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


def hyperparameters(**changes):
    """Return hyperparameters of a quick training; ``changes`` are of its own fields and of its options."""
    own = {"imgsz": 64, "batch": 2, **{name: changes.pop(name) for name in OWN_FIELDS & changes.keys()}}
    options = changes.pop("options", QUICK)
    return Hyperparameters(**own, options=replace(options, **changes))


def make_trainer(folder, *, listener=None, batches=None, distributed=None, seed=0, **changes):
    """Return a trainer that is ready to run."""
    here = distributed or Distributed(0, 1, torch.device("cpu"))
    loop = Loop(tiny_network(seed), hyperparameters(**{"epochs": 3, **changes}), batches or RandomBatches(), here)
    weights = Weights(TINY, "tiny", ("a", "b"), {})
    return Trainer(loop, weights, folder, listener or RecordingListener())
