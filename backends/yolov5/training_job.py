"""Carries out a job of the ``train`` stage with the training library beside this file."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from backends.yolov5 import checkpoint as own
from backends.yolov5.anchors import HEADS
from backends.yolov5.config import ModelConfig, official, variant_of
from backends.yolov5.data.batches import TrainingBatches
from backends.yolov5.data.reading import available_memory
from backends.yolov5.data.samples import LabelledImage, TrainingBatch
from backends.yolov5.devices import Chosen, choose_device
from backends.yolov5.errors import TrainingError
from backends.yolov5.model import Heads, YOLOv5
from backends.yolov5.session import TorchSession, facts_of, translated_errors
from backends.yolov5.training.autoanchor import check_anchors, training_sizes
from backends.yolov5.training.autobatch import MOST, largest_batch
from backends.yolov5.training.hyperparameters import Hyperparameters
from backends.yolov5.training.loop import PARTS, Loop, largest_side
from backends.yolov5.training.loss import DetectionLoss
from backends.yolov5.training.memory import ProcessMeter, keep_freed_memory
from backends.yolov5.training.options import TrainingOptions
from backends.yolov5.training.precision import amp_type
from backends.yolov5.training.processes import Processes, processes
from backends.yolov5.training.state import TrainingState, load_state
from backends.yolov5.training.trainer import Epoch, Trainer, ValidationScores, doubts
from backends.yolov5.training.transfer import transfer
from core.drawing.tiles import Tiles, label_page, write_jpeg
from core.errors import counted
from core.kinds.training import Trained, TrainingJob
from core.kinds.training_progress import EpochResult, EpochScores, ValidationLosses
from core.labels import Labels
from core.model_facts import InputContract, ModelFacts
from core.process import resources as memory
from core.process.resources import usable_cores

PICTURES = 16
TILES = Tiles(side=480, gap=8, caption=14)
"""The page of the first batch."""
PROCESS = ProcessMeter(memory.reset_peak, memory.peak, lambda: available_memory() or 0)


def train(job: TrainingJob) -> Trained:
    """Train as ``job`` says; see :meth:`core.kinds.model.ModelBackend.train`."""
    chosen = choose_device(job.device)
    if chosen.place:
        job.watcher.note(f"training on {chosen.place}")
    if chosen.doubt:
        job.watcher.warn(chosen.doubt)
    with translated_errors(), processes(chosen.device) as mine:
        torch.set_num_threads(max(usable_cores() // mine.beside, 1))
        torch.manual_seed(job.seed)
        if mine.device.type == "cpu":
            keep_freed_memory()
        course, batches = prepare(job, mine)
        if mine.world > 1:
            job.watcher.note(_together(mine, course.loop.recipe.batch))
        try:
            if mine.leader and not job.resume:
                job.watcher.page("train_batch", draw_batch(batches.first(), job.names, job.folder))
            course.run()
        finally:
            batches.close()
    return Trained(facts_of(course.weights), course.epoch, course.best_epoch, {"fitness": course.best}, course.ended)


def _together(mine: Processes, batch: int) -> str:
    return (
        f"{mine.world} processes train together, {mine.beside} of them on this machine, by {mine.backend}: "
        f"batch {batch}, {counted(batch // mine.world, 'image')} per process"
    )


def prepare(job: TrainingJob, mine: Processes) -> tuple[Trainer, TrainingBatches]:
    """The course of the training, ready to run, and its batches, to be closed."""
    weights = start_weights(job)
    network = weights.network().train().requires_grad_(requires_grad=True)
    state = load_state(job.folder, network.config.to_dict()) if job.resume else None
    recipe = recipe_of(job, network, mine, state)
    pictures = [
        LabelledImage(item.path, item.labels.classes, item.labels.boxes.astype(np.float32)) for item in job.images
    ]
    network.config = ModelConfig.from_dict(state.config) if state else _fitted(job, network, pictures, recipe)
    weights = replace(weights, config=network.config, state={})
    sizes = [item.size for item in job.images]
    batches = TrainingBatches(pictures, sizes, job.read, recipe, network.config, mine)
    loss = DetectionLoss(network.config, recipe.options, recipe.imgsz)
    listener = _WatcherAdapter(job, facts_of(weights), mine.device, loss)
    loop = Loop(network, recipe, batches, mine)
    for doubt in doubts(loop):
        job.watcher.warn(doubt)
    course = Trainer(loop, weights, job.folder, listener)
    if state:
        course.resume(state)
    return course, batches


def draw_batch(batch: TrainingBatch, names: Sequence[str], folder: Path) -> Path:
    """Write ``train_batch.jpg``: up to 16 images of a batch as the network sees them, with their boxes."""
    pictures = [np.ascontiguousarray(image[::-1].transpose(1, 2, 0)) for image in batch.images[:PICTURES].numpy()]
    targets = batch.targets.numpy()
    rows = [targets[targets[:, 0] == index] for index in range(len(pictures))]
    labels = [Labels(row[:, 1].astype(np.int32), row[:, 2:].astype(np.float64)) for row in rows]
    items = zip(pictures, labels, [path.name for path in batch.paths], strict=False)  # a batch may have more
    target = folder / "train_batch.jpg"
    write_jpeg(label_page(items, names, TILES, math.ceil(math.sqrt(len(pictures)))), target)
    return target


def start_weights(job: TrainingJob) -> own.Weights:
    """The network of the job with the weights it starts from, and what of them was taken."""
    given = own.load(job.start.path) if job.start else None
    config = official(job.variant, len(job.names)) if job.variant else None
    if given is not None and config is None:
        config = replace(given.config, num_classes=len(job.names))
    if config is None:
        raise ValueError("neither a network nor weights are given")
    if given is not None and given.config.channels == config.channels:
        config = replace(config, anchors=given.config.anchors)  # what its outputs are relative to
    network = YOLOv5(config)
    if given is not None:
        taken = transfer(given.state, network, given.names, job.names)
        job.watcher.note(taken.line())
        if taken.loaded * 2 < taken.total:
            job.watcher.warn(
                f"only {taken.loaded} of {counted(taken.total, 'tensor')} of the weights fit {job.variant}: most of "
                "the network starts from random weights (weights= of the same network would fit; null means none)"
            )
    variant = variant_of(config.channels, config.head_repeats) or (given.variant if given else "yolov5")
    return own.Weights(config, variant, job.names, network.state_dict())


def recipe_of(
    job: TrainingJob, network: YOLOv5, mine: Processes, state: TrainingState | None = None
) -> Hyperparameters:
    """Return the job in the library's terms; a resumed training keeps the batch that was measured.

    Raises:
        TrainingError: The side of the input is no multiple of the stride, or the batch no multiple of the processes.
    """
    options = job.options_as(TrainingOptions)
    stride = max(network.config.strides)
    if job.imgsz % stride:
        below = max(job.imgsz // stride, 1) * stride
        raise TrainingError(
            f"imgsz={job.imgsz} is not a multiple of the stride {stride}", f"take {below} or {below + stride}"
        )
    batch = job.batch
    if batch is None:
        batch = state.batch if state else _fitting_batch(network, job, options, mine)
    if batch % mine.world:
        raise TrainingError(f"batch={batch} cannot be divided among {mine.world} processes", "take a multiple of it")
    return Hyperparameters(
        imgsz=job.imgsz,
        epochs=job.epochs,
        batch=batch,
        seed=job.seed,
        workers=job.workers,
        patience=job.patience,
        hours=job.hours,
        val_every=job.val_every,
        cache=job.cache,
        options=options,
    )


def _fitting_batch(network: YOLOv5, job: TrainingJob, options: TrainingOptions, mine: Processes) -> int:
    """The largest batch of all processes together; the first one measures.

    Each process has a GPU's memory to itself, but shares that of the machine.
    """
    alone = mine.device.type == "cuda"
    fitting = 0.0
    if mine.leader:
        batch, line = largest_batch(
            network,
            largest_side(job.imgsz, max(network.config.strides)) if options.multi_scale else job.imgsz,
            mine.device,
            meter=None if alone else PROCESS,
            kind=amp_type(options.amp, mine.device),
            memory_format=torch.channels_last if options.channels_last else torch.contiguous_format,
            most=min(MOST, math.ceil(len(job.images) / (mine.world if alone else 1))),
        )
        job.watcher.note(line)
        fitting = float(batch)
    shared = int(mine.from_leader([fitting])[0])
    if alone:
        return shared * mine.world
    return max(shared // mine.world, 1) * mine.world


def _fitted(
    job: TrainingJob, network: YOLOv5, pictures: Sequence[LabelledImage], recipe: Hyperparameters
) -> ModelConfig:
    """The network's shape with anchors that fit the boxes."""
    if not recipe.options.autoanchor:
        return network.config
    per_box = [item.size[::-1] for item in job.images for _ in range(len(item.labels))]
    fractions = np.concatenate([item.boxes[:, 2:] for item in pictures])
    sizes = training_sizes(fractions, per_box, recipe.imgsz, recipe.seed)
    anchors, line = check_anchors(network.config, sizes, recipe.options.anchor_t, recipe.seed)
    job.watcher.note(line)
    if job.start is not None and anchors != network.config.anchors:
        job.watcher.warn(
            "the anchors that the weights were trained with are replaced, so their boxes are wrong at first; "
            "train.autoanchor=false keeps them, which is better for a short training"
        )
    return replace(network.config, anchors=anchors)


class _WatcherAdapter:
    """Hands on to the stage's watcher what the library says, in the words of :mod:`core.kinds.training`."""

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
        """Measure a fused copy of the averaged weights."""
        network = copy.deepcopy(averaged).float().fuse().eval()
        place = Chosen(self._device)
        with TorchSession(Heads(network), self._facts, self._contract, HEADS, place) as session:
            self._scores = self._watcher.validate(session, self._losses)
        if self._scores is None:
            return None
        return ValidationScores(self._scores.map50, self._scores.map50_95, self._scores.classes)

    def finish(self, epoch: Epoch) -> None:
        """Tell the epoch, with what its validation found."""
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
                images=epoch.pictures,
                memory=epoch.memory or memory.peak(),
            )
        )


def validation_losses(loss: DetectionLoss) -> ValidationLosses:
    """Return the losses of a batch from what a session of :class:`Heads` gives and the objects in pixels."""
    strides = loss.config.strides

    def losses(outputs: Mapping[str, NDArray[np.number]], objects: NDArray[np.float32]) -> dict[str, float]:
        levels = [torch.from_numpy(outputs[f"p{3 + level}"]) for level in range(len(strides))]
        height, width = (side * strides[0] for side in levels[0].shape[2:])
        size = torch.tensor([1, 1, width, height, width, height], dtype=torch.float32)
        with torch.inference_mode():
            _, parts = loss(levels, torch.from_numpy(objects) / size, activated=True)
        return dict(zip(PARTS, parts.tolist(), strict=True))

    return losses
