"""The work of the stage: run the trainer of the model family on the data set, and return the best checkpoint."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from core.artifacts import Checkpoint, Dataset
from core.data.classes import class_ids
from core.data.dataset import load_split
from core.data.writing import CHARTS
from core.errors import counted, listed, unknown
from core.evaluation.batches import read_sizes
from core.inference.open_model import open_model
from core.kinds.context import RunContext
from core.kinds.family_options import keyed_with_families
from core.kinds.model import ModelFamily
from core.kinds.training import BEST, TrainingImage, TrainingJob
from core.labels import SINGLE_CLASS, as_one_class, check_objects, distinct_regions, load_labels, of_classes
from core.media.picture import read_picture
from core.process.environment import RANKS
from core.storage.serial import digest
from stages.train.checking import families
from stages.train.config import TrainConfig
from stages.train.figures import Figures, read_figures
from stages.train.folder import TrainingFolder
from stages.train.progress import SilentProgress, TrainingProgress
from stages.train.validation import TrainingData, Validation


def train_model(config: TrainConfig, dataset: Dataset, start: Checkpoint | None, context: RunContext) -> Checkpoint:
    """Train, and write checkpoints, results.csv and plots into the work directory.

    Raises:
        HooklineError: The data cannot be used, the state to resume does not fit, memory is exhausted, or the loss is
            not finite.
    """
    names, images = labelled_images(config, dataset, config.train_split)
    _, validation = labelled_images(config, dataset, config.val_split)
    _warn_of_missing_classes(config, names, images, context)
    record = context.cache_dir / "training" / f"{identity(config, dataset, start, context)}.json"
    folder = TrainingFolder(context.workdir, record)
    with folder.lock(context.note) as waited:
        if (waited or config.resume) and folder.finished:
            checkpoint = _reused(folder, _family(config, start, context).name, context)
        else:
            resume = folder.prepare(resume=config.resume, note=context.note)
            data = TrainingData(names, images, validation)
            checkpoint = _trained(config, data, start, folder, context, resume=resume)
        if RANKS.leader:
            folder.finish()
    if RANKS.leader and config.plots:
        _copy_charts(dataset, context.workdir)
    return checkpoint


def _trained(
    config: TrainConfig,
    data: TrainingData,
    start: Checkpoint | None,
    folder: TrainingFolder,
    context: RunContext,
    *,
    resume: bool,
) -> Checkpoint:
    family = _family(config, start, context)
    report_regions(data.train, family, context)
    watcher = TrainingProgress(config, family, data, folder, context) if RANKS.leader else SilentProgress()
    job = TrainingJob(
        variant=config.model,
        start=start,
        names=data.names,
        images=data.train,
        options=_options(config, family),
        imgsz=config.imgsz,
        epochs=config.epochs,
        batch=config.batch if isinstance(config.batch, int) else None,
        workers=config.workers,
        patience=config.patience,
        hours=config.time,
        val_every=config.val_every,
        cache=config.cache,
        seed=context.seed,
        device=context.device,
        folder=folder.path,
        resume=resume,
        read=partial(read_picture, max_pixels=config.max_pixels, depth=config.image_depth),
        watcher=watcher,
    )
    with watcher:
        trained = context.model(family.name).train(job)
        if isinstance(watcher, SilentProgress):
            return Checkpoint(path=folder.path / BEST, facts=trained.facts)
        figures = watcher.conclude(trained)
    return _checkpoint(Checkpoint(path=folder.path / BEST, facts=trained.facts), figures)


def _reused(folder: TrainingFolder, family: str, context: RunContext) -> Checkpoint:
    """Return the result of a training run that has already ended; the family reads the facts from the weights."""
    if folder.previous is not None and folder.previous != folder.path:
        context.note(f"using the result of the run with the same options in '{folder.previous}'")
        folder.take(folder.previous)
    best = folder.path / BEST
    return _checkpoint(context.model(family).read(best, best), read_figures(folder.path))


def _checkpoint(best: Checkpoint, figures: Figures) -> Checkpoint:
    return replace(best, values=figures.values(), report=(figures.table,) if figures.table else ())


def drawing(config: TrainConfig, trained: Checkpoint, dataset: Dataset, context: RunContext) -> Callable[[Path], None]:
    """Return a function that draws the charts of a finished training run into a folder with its results."""

    def draw(folder: Path) -> None:
        from stages.train.plots import draw_training

        context.note("train: drawing the missing charts of the stored training")
        names, images = labelled_images(config, dataset, config.val_split)
        validation = Validation(images, names, config, context)
        with open_model(replace(trained, path=folder / BEST), context, imgsz=config.imgsz) as session:
            validation.draw(*validation.measure(session), folder, trained.facts.variant)
        draw_training(folder)
        _copy_charts(dataset, folder)

    return draw


def _copy_charts(dataset: Dataset, target: Path) -> None:
    """Copy the charts of the label statistics of the data set, if it has any."""
    for name in CHARTS:
        if (chart := dataset.path.parent / name).is_file():
            shutil.copy2(chart, target / name)


def identity(config: TrainConfig, dataset: Dataset, start: Checkpoint | None, context: RunContext) -> str:
    """Return the digest of options, data, initial weights and seed, by which ``resume=true`` finds a training run."""
    content = {
        "options": keyed_with_families(config, [_family(config, start, context)]),
        "data": dataset.digest,
        "start": start.sha256 if start else "",
        "seed": context.seed,
    }
    return digest(content)[:16]


def labelled_images(config: TrainConfig, dataset: Dataset, split: str) -> tuple[tuple[str, ...], list[TrainingImage]]:
    """Return class names and labelled images of a split, after the filter ``classes`` and ``single_class``.

    The filter keeps the class ids.

    Raises:
        HooklineError: The split is missing, empty or has no objects of the classes.
    """
    if split not in dataset.splits:
        raise unknown("split", split, dataset.splits)
    wanted = class_ids(config.classes, dataset.names)
    samples = load_split(dataset, split)
    labels = [of_classes(load_labels(sample, dataset.names), wanted) for sample in samples]
    check_objects(labels, dataset.names, wanted, split, "train on")
    names = dataset.names
    if config.single_class:
        names = SINGLE_CLASS
        labels = [as_one_class(item) for item in labels]
    rows = zip(samples, read_sizes(samples, config.max_pixels), labels, strict=True)
    return names, [TrainingImage(sample.image, size, item) for sample, size, item in rows]


def _warn_of_missing_classes(
    config: TrainConfig, names: Sequence[str], images: Sequence[TrainingImage], context: RunContext
) -> None:
    counts = np.bincount(np.concatenate([item.labels.classes for item in images]), minlength=len(names))
    wanted: Sequence[int] = [] if config.single_class else class_ids(config.classes, names) or range(len(names))
    if unseen := [names[index] for index in wanted if counts[index] == 0]:
        named = listed(unseen, 8)
        context.warn(f"no object in the training split of {len(unseen)} of {counted(len(wanted), 'class')}: {named}")


def report_regions(images: Sequence[TrainingImage], family: ModelFamily, context: RunContext) -> None:
    """Print the number of ignore regions; warn if the family learns them as background."""
    counts = [len(distinct_regions(item.labels)) for item in images if len(item.labels.regions)]
    if not counts:
        return
    regions = f"{counted(sum(counts), 'ignore region')} in {len(counts)} of {counted(len(images), 'training image')}"
    if family.ignore_regions:
        context.note(f"{regions}: nothing in them is learned as background")
    else:
        context.warn(f"{regions}: the model family '{family.name}' does not support them and learns them as background")


def _family(config: TrainConfig, start: Checkpoint | None, context: RunContext) -> ModelFamily:
    """Return the model family of the network."""
    (name,) = families(config, {"start": start} if start else {}, context)
    return context.family(name)


def _options(config: TrainConfig, family: ModelFamily) -> object:
    """Return the training options of the family."""
    if family.training is None:
        raise ValueError(f"the checks of the plan must refuse training of the family '{family.name}'")
    options: object = config.training.of(family.training)
    return options
