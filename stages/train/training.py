"""The work of the stage: data and weights to a job, the trainer of the family, and what it leaves as an artifact."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.artifacts import Checkpoint, Dataset
from core.classes import class_ids
from core.config import keyed_options
from core.context import RunContext
from core.dataset import load_split
from core.dataset_files import CHARTS
from core.errors import unknown
from core.evaluation.batches import read_sizes
from core.labels import SINGLE_CLASS, as_one_class, check_objects, load_labels, of_classes
from core.media.picture import read_picture
from core.ranks import RANKS
from core.serial import digest
from core.training import BEST, TrainingJob, TrainingPicture
from stages.train import TrainConfig
from stages.train.checks import variants_of
from stages.train.folder import TrainingFolder
from stages.train.watching import SilentWatcher, Watcher


def train_model(config: TrainConfig, dataset: Dataset, start: Checkpoint | None, context: RunContext) -> Checkpoint:
    """Train, and leave checkpoints, results.csv and pictures in the work directory.

    Raises:
        HooklineError: The data cannot be trained on, the state to resume from does not fit, memory ran
            out, or the loss became NaN.
    """
    names, pictures = training_pictures(config, dataset, config.train_split)
    _, validation = training_pictures(config, dataset, config.val_split)
    _tell_classes(config, names, pictures, context)
    folder = TrainingFolder(context.cache_dir / "training" / identity(config, dataset, start, context))
    family = variants_of(context)[config.model] if config.model else _family(start)
    trainer = context.model(family)
    resume = folder.prepare(resume=config.resume, leader=RANKS.leader, note=context.note)
    watcher = Watcher(config, names, validation, folder, context) if RANKS.leader else SilentWatcher()
    job = TrainingJob(
        variant=config.model,
        start=start,
        names=names,
        pictures=pictures,
        options=config,
        imgsz=config.imgsz,
        seed=context.seed,
        device=context.device,
        folder=folder.path,
        resume=resume,
        read=read_picture,
        watcher=watcher,
    )
    with watcher:
        trained = trainer.train(job)
        if not RANKS.leader:
            return Checkpoint(path=folder.path / BEST, facts=trained.facts)
        watcher.conclude(trained)
    folder.hand_over(context.workdir)
    if config.plots:
        _copy_charts(dataset, context.workdir)
    return Checkpoint(path=context.workdir / BEST, facts=trained.facts)


def _copy_charts(dataset: Dataset, target: Path) -> None:
    """Put the label statistics of the data set, where it has any, among the pictures of the training."""
    for name in CHARTS:
        if (chart := dataset.path.parent / name).is_file():
            shutil.copy2(chart, target / name)


def identity(config: TrainConfig, dataset: Dataset, start: Checkpoint | None, context: RunContext) -> str:
    """What makes two trainings the same one, so that ``resume=true`` finds what an interrupted run left."""
    content = {
        "options": keyed_options(config),
        "data": dataset.digest,
        "start": start.sha256 if start else "",
        "seed": context.seed,
    }
    return digest(content)[:16]


def training_pictures(
    config: TrainConfig, dataset: Dataset, split: str
) -> tuple[tuple[str, ...], list[TrainingPicture]]:
    """Class names and labelled pictures, after the class filter (which keeps the numbers) and ``single_class``.

    Raises:
        HooklineError: The split is missing, empty or has no objects of the classes.
    """
    if split not in dataset.splits:
        raise unknown("split", split, dataset.splits)
    wanted = class_ids(config.classes, dataset.names)
    samples = load_split(dataset, split)
    labels = [of_classes(load_labels(sample, dataset.names), wanted) for sample in samples]
    check_objects(labels, dataset.names, wanted, split, "learn from it")
    names = dataset.names
    if config.single_class:
        names = SINGLE_CLASS
        labels = [as_one_class(item) for item in labels]
    rows = zip(samples, read_sizes(samples), labels, strict=True)
    return names, [TrainingPicture(sample.picture, size, item) for sample, size, item in rows]


def _tell_classes(
    config: TrainConfig, names: Sequence[str], pictures: Sequence[TrainingPicture], context: RunContext
) -> None:
    counts = np.bincount(np.concatenate([item.labels.classes for item in pictures]), minlength=len(names))
    wanted: Sequence[int] = [] if config.single_class else class_ids(config.classes, names) or range(len(names))
    if unseen := [names[index] for index in wanted if counts[index] == 0]:
        listed = ", ".join(unseen[:8]) + (f" and {len(unseen) - 8} more" if len(unseen) > 8 else "")
        context.warn(f"{len(unseen)} of {len(wanted)} classes have no object in the training split: {listed}")


def _family(start: Checkpoint | None) -> str:
    if start is None:
        raise ValueError("the checks let a training without network and weights pass")
    return start.facts.family
