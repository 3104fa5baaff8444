"""Write the new data set: copied or linked images, and their labels."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.artifacts import Dataset
from core.data.dataset import Sample
from core.data.writing import write_dataset, write_labels
from core.errors import HooklineError, counted
from core.files.paths import output_path
from core.label_classes import LabelClasses
from stages.convert.config import Link
from stages.convert.images import new_names
from stages.convert.records import ConvertedImage

if TYPE_CHECKING:
    from core.kinds.context import RunContext


def write_splits(
    splits: Mapping[str, Sequence[ConvertedImage]], classes: LabelClasses, link: Link, context: RunContext
) -> Dataset:
    """Write all images and labels below the work directory; the source is not changed."""
    sources = [item.image for items in splits.values() for item in items]
    fresh = dict(zip(sources, new_names(sources), strict=True))
    if renamed := sum(name != image.name for image, name in fresh.items()):
        context.note(f"renamed {counted(renamed, 'image')} with the name of another, e.g. to '{_renamed(fresh)}'")
    samples: dict[str, list[Sample]] = {}
    with context.progress("write images", len(sources), "images") as progress:
        for split, items in splits.items():
            images, labels = (output_path(context.workdir, kind, split) for kind in ("images", "labels"))
            images.mkdir(parents=True)
            labels.mkdir(parents=True)
            samples[split] = []
            for item in items:
                image = output_path(images, fresh[item.image])
                label = output_path(labels, f"{image.stem}.txt")
                _add_image(item.image, image, link)
                write_labels(label, [*item.rows, *item.regions])
                samples[split].append(Sample(image, label))
                progress.advance()
            context.note(_line(split, items, classes))
    return write_dataset(context.workdir, classes, samples)


def _add_image(source: Path, target: Path, link: Link) -> None:
    if link is Link.symlink:
        target.symlink_to(source.resolve())
    elif link is Link.hardlink:
        try:
            os.link(source.resolve(), target)
        except OSError as error:
            raise HooklineError(
                f"cannot hard-link '{source}' ({error.strerror})", "use convert.link=copy, which works across disks"
            ) from error
    else:
        shutil.copyfile(source, target)


def _renamed(fresh: Mapping[Path, str]) -> str:
    return next(name for image, name in fresh.items() if name != image.name)


def _line(split: str, items: Sequence[ConvertedImage], classes: LabelClasses) -> str:
    """Return the counts of a split; up to 12 classes are listed."""
    counts = Counter(classes.written[number] for item in items for number, *_ in item.rows)
    detail = f" ({', '.join(f'{counts[name]} {name}' for name in classes.names)})" if len(classes.names) <= 12 else ""
    objects = f"{counted(counts.total(), 'object')} of {counted(len(counts), 'class')}{detail}"
    regions = sum(len(item.regions) for item in items)
    ignored = f", {counted(regions, 'ignore region')}" if regions else ""
    return f"{split}: {counted(len(items), 'image')}, {objects}{ignored}"
