"""The network that a training run starts with: its config, its initial weights and anchors fitted to the data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from backends.yolov5 import checkpoint
from backends.yolov5.config import ModelConfig, official, variant_of
from backends.yolov5.data.samples import LabelledImage
from backends.yolov5.model import YOLOv5
from backends.yolov5.training.autoanchor import check_anchors, training_sizes
from backends.yolov5.training.options import Hyperparameters
from backends.yolov5.training.transfer import transfer
from core.errors import counted
from core.kinds.training import TrainingJob


def initial_weights(job: TrainingJob) -> checkpoint.Weights:
    """Return the network of the job with random weights, or with the weights that it starts from.

    Reports how many tensors were transferred.
    """
    given = checkpoint.load(job.start.path) if job.start else None
    config = official(job.variant, len(job.names)) if job.variant else None
    if given is not None and config is None:
        config = replace(given.config, num_classes=len(job.names))
    if config is None:
        raise ValueError("neither a network nor weights are given")
    if given is not None and given.config.channels == config.channels:
        config = replace(config, anchors=given.config.anchors)  # box outputs are relative to the anchors
    network = YOLOv5(config)
    if given is not None:
        taken = transfer(given.state, network, given.names, job.names)
        job.watcher.note(taken.line())
        if taken.loaded * 2 < taken.total:
            job.watcher.warn(
                f"only {taken.loaded} of {counted(taken.total, 'tensor')} of the weights fit {job.variant}: "
                "most of the network starts from random weights (give weights= of the same network, or null for none)"
            )
    variant = variant_of(config.channels, config.head_repeats) or (given.variant if given else "yolov5")
    return checkpoint.Weights(config, variant, job.names, network.state_dict())


def with_fitted_anchors(
    config: ModelConfig, job: TrainingJob, samples: Sequence[LabelledImage], hyperparameters: Hyperparameters
) -> ModelConfig:
    """Return the config with anchors that fit the boxes of the data set, unless ``autoanchor`` is off."""
    options = hyperparameters.options
    if not options.autoanchor:
        return config
    image_sizes = [item.size[::-1] for item in job.images for _ in range(len(item.labels))]
    fractions = np.concatenate([sample.boxes[:, 2:] for sample in samples])
    sizes = training_sizes(fractions, image_sizes, hyperparameters.imgsz, hyperparameters.seed)
    anchors, line = check_anchors(config, sizes, options.anchor_t, hyperparameters.seed)
    job.watcher.note(line)
    if job.start is not None and anchors != config.anchors:
        job.watcher.warn(
            "the anchors of the weights are replaced, so their boxes are wrong at first; train.autoanchor=false keeps "
            "them, which is better for a short training run"
        )
    return replace(config, anchors=anchors)
