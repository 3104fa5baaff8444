"""Convert annotations: read them, select classes, split the images and write the data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from core.artifacts import Dataset
from core.data.writing import Row
from core.errors import HooklineError, counted, listed, shown, unknown
from core.files.paths import user_path
from core.media.picture import UnreadableError
from core.model_limits import MAX_CLASSES, name_problem
from stages.convert.config import ConvertConfig, Format, Missing
from stages.convert.detect import AnnotationPlace, find_format, sources_of
from stages.convert.images import ImageFinder
from stages.convert.json_files import read_coco, read_createml
from stages.convert.records import Annotations, ConvertedImage, Corners, Item, clipped, fractions, row
from stages.convert.split import split_images
from stages.convert.voc import read_voc
from stages.convert.writing import write_splits
from stages.convert.yolo import add_background, read_labelstudio, read_yolo

if TYPE_CHECKING:
    from core.kinds.context import RunContext


def choose_classes(
    wanted: Mapping[str, str] | Sequence[str] | None, names: Sequence[str]
) -> tuple[tuple[str, ...], Mapping[str, int]]:
    """Return the new class names, and the new class id of each selected class of the source.

    Args:
        wanted: ``convert.names``: None for all, a list of names, or {old name: new name}.
        names: Classes of the source.

    Raises:
        HooklineError: The source lacks a wanted class, or has no classes.
    """
    if not names:
        raise HooklineError("the annotations contain no class", "annotate at least one object")
    renamed = wanted if isinstance(wanted, Mapping) else {name: name for name in (wanted or names)}
    pairs = {str(old): str(new) for old, new in renamed.items()}
    known = set(names)
    for old in pairs:
        if old not in known:
            raise unknown("class in convert.names", old, names)
    chosen = tuple(dict.fromkeys(pairs.values()))
    if len(chosen) > MAX_CLASSES:
        hint = f"the maximum is {MAX_CLASSES:,}: select fewer with convert.names"
        raise HooklineError(f"the new data set would have {len(chosen):,} classes", hint)
    for name in chosen:
        if problem := name_problem(name):
            raise HooklineError(f"the class {shown(name)} {problem}", "rename it: convert.names={<old>: <new>}")
    numbers = {name: number for number, name in enumerate(chosen)}
    return chosen, {old: numbers[new] for old, new in pairs.items()}


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
    names, numbers = choose_classes(config.names, found.names)
    labelled = _label(found, numbers, config.max_pixels, context)
    _report_missing(found.missing, config, context)
    if not any(item.rows for item in labelled):
        raise HooklineError(
            f"no boxes remain: {counted(len(labelled), 'image')} without boxes, {len(found.missing)} missing",
            "check convert.source, convert.pictures and convert.names",
        )
    _report_remarks(found.remarks, context)
    _report_unseen(labelled, names, context)
    splits = split_images(labelled, config.split, context)
    return write_splits(splits, names, config.link, context)


def read_annotations(config: ConvertConfig, context: RunContext) -> Annotations:
    """Read all annotations of the source, in the order of the image paths."""
    places = sources_of(config.source)
    kind = find_format(places, config.format)
    folders = [user_path(config.pictures).absolute()] if config.pictures else [item.folder for item in places]
    images, found = ImageFinder(folders), Annotations()
    for place in places:
        READERS[kind](place, images, found)
    if kind in {Format.yolo, Format.labelstudio}:
        add_background(places, images, found)
    if config.split is not None:  # an image in two splits of the source then counts once
        found.items = list(dict.fromkeys(replace(item, split=None) for item in found.items))
    found.items.sort(key=lambda item: item.image.as_posix())
    _check_once(found.items)
    boxes = sum(len(item.boxes) for item in found.items)
    boxed = f"{counted(boxes, 'box')} of {counted(len(found.names), 'class')}"
    context.note(f"read {counted(len(found.items), 'image')}, {boxed} ({kind.value})")
    return found


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


def _label(
    found: Annotations, numbers: Mapping[str, int], max_pixels: int, context: RunContext
) -> list[ConvertedImage]:
    """Return the label rows of all readable images; add the others to ``found.missing``."""
    left_out: Counter[str] = Counter()
    labelled = []
    with context.progress("measure images", len(found.items), "images") as progress:
        for item in found.items:
            try:
                rows = _rows(fractions(item, found.remarks, max_pixels), numbers, left_out, found.remarks)
                labelled.append(ConvertedImage(item.image, rows, item.split))
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


def _report_remarks(remarks: Counter[str], context: RunContext) -> None:
    for what, count in sorted(remarks.items()):
        if count:
            (context.note if what.endswith("(kept)") else context.warn)(f"{what}: {count:,}")


def _report_unseen(labelled: Sequence[ConvertedImage], names: Sequence[str], context: RunContext) -> None:
    background = sum(not item.rows for item in labelled)
    context.note(f"{counted(len(labelled), 'image')}, {background} of them without objects")
    seen = {number for item in labelled for number, *_ in item.rows}
    if unseen := [name for number, name in enumerate(names) if number not in seen]:
        context.warn(f"no objects of {len(unseen)} of {counted(len(names), 'class')}: {listed(unseen, MAX_SHOWN)}")
