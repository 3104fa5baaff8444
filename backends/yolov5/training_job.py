"""The training of a job of the ``train`` stage: device, processes, network, hyperparameters, batches and trainer."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch

from backends.yolov5.config import ModelConfig
from backends.yolov5.data.batches import TrainingBatches
from backends.yolov5.data.samples import LabelledImage
from backends.yolov5.devices import choose_device
from backends.yolov5.errors import TrainingError
from backends.yolov5.initial_network import initial_weights, with_fitted_anchors
from backends.yolov5.model import YOLOv5
from backends.yolov5.session import facts_of, translated_errors
from backends.yolov5.training.autobatch import MAX_BATCH, largest_batch
from backends.yolov5.training.distributed import Distributed, join_processes
from backends.yolov5.training.loop import Loop, largest_side
from backends.yolov5.training.loss import DetectionLoss
from backends.yolov5.training.memory import ProcessMeter, available_memory, keep_freed_memory
from backends.yolov5.training.options import Hyperparameters, TrainingOptions
from backends.yolov5.training.precision import amp_type
from backends.yolov5.training.state import TrainingState, load_state
from backends.yolov5.training.trainer import Trainer, warnings_for
from backends.yolov5.training_reports import WatcherAdapter, draw_batch
from core.errors import counted
from core.kinds.training import Trained, TrainingImage, TrainingJob
from core.labels import distinct_regions
from core.process import resources

PROCESS_METER = ProcessMeter(resources.reset_peak, resources.peak, lambda: available_memory() or 0)


def train(job: TrainingJob) -> Trained:
    """Train a network; implements :meth:`core.kinds.model.ModelBackend.train`."""
    device = choose_device(job.device)
    if device.description:
        job.watcher.note(f"training on {device.description}")
    if device.warning:
        job.watcher.warn(device.warning)
    with translated_errors(), join_processes(device.device) as distributed:
        torch.set_num_threads(max(resources.usable_cores() // distributed.local_world_size, 1))
        torch.manual_seed(job.seed)
        if distributed.device.type == "cpu":
            keep_freed_memory()
        trainer, batches = prepare(job, distributed)
        if distributed.world_size > 1:
            job.watcher.note(_processes_line(distributed, trainer.loop.hyperparameters.batch))
        try:
            if distributed.leader and not job.resume:
                job.watcher.page("train_batch", draw_batch(batches.first(), job.names, job.folder))
            trainer.run()
        finally:
            batches.close()
    values = {"fitness": trainer.best}
    return Trained(facts_of(trainer.weights), trainer.epoch, trainer.best_epoch, values, trainer.ended)


def _processes_line(distributed: Distributed, batch: int) -> str:
    return (
        f"training in {distributed.world_size} processes, {distributed.local_world_size} of them on this machine, with "
        f"{distributed.backend}: batch {batch}, {counted(batch // distributed.world_size, 'image')} per process"
    )


def prepare(job: TrainingJob, distributed: Distributed) -> tuple[Trainer, TrainingBatches]:
    """Return the trainer, ready to run, and its batches, which the caller closes."""
    weights = initial_weights(job)
    network = weights.network().train().requires_grad_(requires_grad=True)
    state = load_state(job.folder, network.config.to_dict()) if job.resume else None
    hyperparameters = hyperparameters_of(job, network, distributed, state)
    samples = [_sample(item) for item in job.images]
    if state:
        network.config = ModelConfig.from_dict(state.config)
    else:
        network.config = with_fitted_anchors(network.config, job, samples, hyperparameters)
    weights = replace(weights, config=network.config, state={})
    sizes = [item.size for item in job.images]
    batches = TrainingBatches(samples, sizes, job.read, hyperparameters, network.config, distributed)
    loss = DetectionLoss(network.config, hyperparameters.options, hyperparameters.imgsz)
    listener = WatcherAdapter(job, facts_of(weights), distributed.device, loss)
    loop = Loop(network, hyperparameters, batches, distributed)
    for warning in warnings_for(loop):
        job.watcher.warn(warning)
    trainer = Trainer(loop, weights, job.folder, listener)
    if state:
        trainer.resume(state)
    return trainer, batches


def _sample(image: TrainingImage) -> LabelledImage:
    boxes, regions = (rows.astype(np.float32) for rows in (image.labels.boxes, distinct_regions(image.labels)))
    return LabelledImage(image.path, image.labels.classes, boxes, regions)


def hyperparameters_of(
    job: TrainingJob, network: YOLOv5, distributed: Distributed, state: TrainingState | None = None
) -> Hyperparameters:
    """Return the hyperparameters of the job. With ``batch=auto`` a resumed training run keeps the batch of ``state``.

    Raises:
        TrainingError: ``imgsz`` is not a multiple of the stride, or the batch not one of the number of processes.
    """
    options = job.options_as(TrainingOptions)
    stride = max(network.config.strides)
    if job.imgsz % stride:
        below = max(job.imgsz // stride, 1) * stride
        raise TrainingError(
            f"imgsz={job.imgsz} is not a multiple of the stride {stride}", f"use {below} or {below + stride}"
        )
    batch = job.batch
    if batch is None:
        batch = state.batch if state else _fitting_batch(network, job, options, distributed)
    if batch % distributed.world_size:
        raise TrainingError(
            f"train.batch={batch} cannot be divided among {distributed.world_size} processes",
            f"use a multiple of {distributed.world_size}",
        )
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


def _fitting_batch(network: YOLOv5, job: TrainingJob, options: TrainingOptions, distributed: Distributed) -> int:
    """Return the largest batch of all processes together, measured by rank 0.

    Each process has the memory of its own GPU, but all processes of a machine share its main memory.
    """
    own_gpu = distributed.device.type == "cuda"
    fitting = 0.0
    if distributed.leader:
        batch, line = largest_batch(
            network,
            largest_side(job.imgsz, max(network.config.strides)) if options.multi_scale else job.imgsz,
            distributed.device,
            meter=None if own_gpu else PROCESS_METER,
            kind=amp_type(options.amp, distributed.device),
            memory_format=torch.channels_last if options.channels_last else torch.contiguous_format,
            limit=min(MAX_BATCH, math.ceil(len(job.images) / (distributed.world_size if own_gpu else 1))),
        )
        job.watcher.note(line)
        fitting = float(batch)
    shared = int(distributed.from_leader([fitting])[0])
    if own_gpu:
        return shared * distributed.world_size
    return max(shared // distributed.world_size, 1) * distributed.world_size
