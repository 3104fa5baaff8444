"""Convert annotations: read them, select classes, split the images and write the data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from core.artifacts import Dataset
from core.data.writing import Row
from core.errors import HooklineError, counted, listed
from core.files.paths import user_path
from core.media.picture import UnreadableError
from stages.convert.classes import ChosenClasses, choose_classes
from stages.convert.config import ConvertConfig, Format, Missing
from stages.convert.detect import AnnotationPlace, find_format, sources_of
from stages.convert.images import ImageFinder
from stages.convert.json_files import read_coco, read_createml
from stages.convert.records import Annotations, ConvertedImage, Corners, Item, clipped, crowd_class, fractions, row
from stages.convert.split import split_images
from stages.convert.voc import read_voc
from stages.convert.writing import write_splits
from stages.convert.yolo import add_background, lists_images, read_labelstudio, read_yolo

if TYPE_CHECKING:
    from core.kinds.context import RunContext


READERS: Mapping[Format, Callable[[AnnotationPlace, ImageFinder, Annotations], None]] = {
    Format.yolo: read_yolo,
    Format.voc: read_voc,
    Format.createml: read_createml,
    Format.coco: read_coco,
    Format.labelstudio: read_labelstudio,
}
MAX_SHOWN = 5
"""Maximum number of items listed in a message."""


def convert_source(config: ConvertConfig, context: RunContext) -> Dataset:
    """Convert the annotations of ``config.source``.

    Raises:
        HooklineError: Annotations are damaged, images are missing, or there are too few images for the splits.
    """
    found = read_annotations(config, context)
    chosen = choose_classes(config.names, found)
    labelled = _label(found, chosen, config.max_pixels, context)
    _report_missing(found.missing, config, context)
    if not any(item.rows for item in labelled):
        raise HooklineError(
            f"no boxes remain: {counted(len(labelled), 'image')} without boxes, {len(found.missing)} missing",
            "check convert.source, convert.pictures and convert.names",
        )
    _report(found.remarks, context.warn)
    _report(found.notes, context.note)
    _report_classes(labelled, found, chosen, context)
    splits = split_images(labelled, config.split, context)
    return write_splits(splits, chosen.classes, config.link, context)


def read_annotations(config: ConvertConfig, context: RunContext) -> Annotations:
    """Read all annotations of the source, in the order of the image paths."""
    places = sources_of(config.source)
    kind = find_format(places, config.format)
    names = () if config.names is None or isinstance(config.names, Mapping) else tuple(map(str, config.names))
    images, found = ImageFinder(_image_folders(places, kind, config)), Annotations(names)
    for place in places:
        READERS[kind](place, images, found)
    if kind in {Format.yolo, Format.labelstudio}:
        add_background(places, images, found)
    if config.split is not None:  # an image in two splits of the source then counts once
        found.items = list(dict.fromkeys(replace(item, split=None) for item in found.items))
    if line := images.passed.line():
        context.warn(line)
    found.items.sort(key=lambda item: item.image.as_posix())
    _check_once(found.items)
    regions = sum(box.name in found.regions for item in found.items for box in item.boxes)
    boxes = sum(len(item.boxes) for item in found.items) - regions
    boxed = f"{counted(boxes, 'box')} of {counted(len(found.names), 'class')}"
    boxed += f", {counted(regions, 'ignore region')}" if regions else ""
    context.note(f"read {counted(len(found.items), 'image')}, {boxed} ({kind.value})")
    return found


def _image_folders(places: Sequence[AnnotationPlace], kind: Format, config: ConvertConfig) -> list[Path]:
    """Return the folders whose images are searched: none if each place lists its images."""
    if kind is Format.yolo and all(map(lists_images, places)):
        return []
    return [user_path(config.pictures).absolute()] if config.pictures else [item.folder for item in places]


def _check_once(items: Sequence[Item]) -> None:
    for one, other in pairwise(items):
        if one.image != other.image:
            continue
        if one.split and other.split and one.split != other.split:
            message = f"'{one.image}' is in the splits '{one.split}' and '{other.split}'"
            raise HooklineError(message, "make new splits, e.g. convert.split={train: 0.8, val: 0.2}")
        raise HooklineError(
            f"'{one.image}' is annotated twice", "convert one source at a time, or remove one of the annotations"
        )


def _label(found: Annotations, chosen: ChosenClasses, max_pixels: int, context: RunContext) -> list[ConvertedImage]:
    """Return the label rows of all readable images; add the others to ``found.missing``."""
    left_out: Counter[str] = Counter()
    labelled = []
    regions = {number for number, name in enumerate(chosen.classes.written) if name in chosen.classes.ignore}
    with context.progress("measure images", len(found.items), "images") as progress:
        for item in found.items:
            try:
                rows = _rows(fractions(item, found.remarks, max_pixels), chosen.numbers, left_out, found.remarks)
                objects = tuple(row for row in rows if row[0] not in regions)
                ignored = tuple(row for row in rows if row[0] in regions)
                labelled.append(ConvertedImage(item.image, objects, ignored, item.split))
                found.remarks["images without remaining boxes, now background"] += bool(item.boxes and not rows)
            except UnreadableError as error:
                found.missing.append(f"{item.image} ({error})")
            progress.advance()
    if left_out:
        shares = listed([f"{count} {name}" for name, count in left_out.most_common()], MAX_SHOWN)
        context.warn(f"dropped {counted(left_out.total(), 'box')} of classes not in convert.names: {shares}")
    return labelled


def _rows(
    boxes: Iterable[tuple[str, Corners]], numbers: Mapping[str, int], left_out: Counter[str], remarks: Counter[str]
) -> tuple[Row, ...]:
    rows: list[Row] = []
    for name, corners in boxes:
        if name not in numbers:
            left_out[name] += 1
        elif (inside := clipped(corners, remarks)) is not None:
            rows.append(row(numbers[name], inside))
    unique = tuple(dict.fromkeys(rows))
    remarks["duplicate boxes, dropped"] += len(rows) - len(unique)
    return unique


def _report_missing(missing: Sequence[str], config: ConvertConfig, context: RunContext) -> None:
    if not missing:
        return
    named = listed([f"'{name}'" for name in missing], MAX_SHOWN)
    message = f"{counted(len(missing), 'annotated image')} missing or unreadable: {named}"
    if config.missing is Missing.stop:
        raise HooklineError(
            message, "give their folder with convert.pictures=<folder>, or skip them with convert.missing=skip"
        )
    context.warn(f"skipped {message}")


def _report(cases: Counter[str], report: Callable[[str], None]) -> None:
    for what, count in sorted(cases.items()):
        if count:
            report(f"{what}: {count:,}")


def _report_classes(
    labelled: Sequence[ConvertedImage], found: Annotations, chosen: ChosenClasses, context: RunContext
) -> None:
    """Report crowd regions, images without objects, and classes without objects."""
    ids, classes = chosen.numbers, chosen.classes
    crowds = {ids[region] for region in map(crowd_class, found.crowds) if region in ids}
    counts = Counter(number for item in labelled for number, *_ in item.regions if number in crowds)
    if counts:
        shares = [f"{count} of {classes.ignore[classes.written[number]][0]}" for number, count in counts.most_common()]
        context.note(f"crowd regions that became ignore regions: {listed(shares, MAX_SHOWN)}")
    background = sum(not item.rows for item in labelled)
    context.note(f"{counted(len(labelled), 'image')}, {background} of them without objects")
    if chosen.absent:
        named = listed(chosen.absent, MAX_SHOWN)
        context.warn(f"{counted(len(chosen.absent), 'class')} of convert.names not in the source: {named}")
    seen = {classes.written[number] for item in labelled for number, *_ in item.rows}
    if unseen := [name for name in classes.names if name not in seen]:
        total = counted(len(classes.names), "class")
        context.warn(f"no objects of {len(unseen)} of {total}: {listed(unseen, MAX_SHOWN)}")
