"""The work of the stage: read, choose classes, split, write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from core.artifacts import Dataset
from core.data.writing import Row
from core.errors import HooklineError, counted, shown, unknown
from core.files.paths import user_path
from core.media.picture import UnreadableError
from core.model_limits import MAX_CLASSES, name_problem
from stages.convert.config import ConvertConfig, Format, Missing
from stages.convert.detect import AnnotationPlace, find_format, sources_of
from stages.convert.images import ImageFinder
from stages.convert.json_files import read_coco, read_createml
from stages.convert.records import Annotations, ConvertedImage, Corners, Item, clipped, fractions, row
from stages.convert.split import split_pictures
from stages.convert.voc import read_voc
from stages.convert.writing import write_splits
from stages.convert.yolo import add_background, read_labelstudio, read_yolo

if TYPE_CHECKING:
    from core.kinds.context import RunContext


def choose_classes(
    wanted: Mapping[str, str] | Sequence[str] | None, names: Sequence[str]
) -> tuple[tuple[str, ...], Mapping[str, int]]:
    """The new class names, and the new class id of each class of the source that is kept.

    Args:
        wanted: ``convert.names``: null for all, a list of names, or {old name: new name}.
        names: Classes of the source.

    Raises:
        HooklineError: The source has no such class, or no classes at all.
    """
    if not names:
        raise HooklineError("the annotations name no class", "annotate at least one object")
    renamed = wanted if isinstance(wanted, Mapping) else {name: name for name in (wanted or names)}
    pairs = {str(old): str(new) for old, new in renamed.items()}
    known = set(names)
    for old in pairs:
        if old not in known:
            raise unknown("class in convert.names", old, names)
    chosen = tuple(dict.fromkeys(pairs.values()))
    if len(chosen) > MAX_CLASSES:
        hint = f"the limit is {MAX_CLASSES:,}; convert.names chooses some"
        raise HooklineError(f"too many: {counted(len(chosen), 'class')}", hint)
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
SHOWN = 5


def convert_source(config: ConvertConfig, context: RunContext) -> Dataset:
    """Convert the annotations that the config names.

    Raises:
        HooklineError: Annotations are damaged, pictures are missing, or there are too few for the splits.
    """
    found = read_annotations(config, context)
    names, numbers = choose_classes(config.names, found.names)
    labelled = _label(found, numbers, config.max_pixels, context)
    _tell_missing(found.missing, config, context)
    if not any(item.rows for item in labelled):
        raise HooklineError(
            f"no box is left: {counted(len(labelled), 'image')} without, {len(found.missing)} missing",
            "check convert.source, convert.pictures and convert.names",
        )
    _tell(found.told, context)
    _tell_unseen(labelled, names, context)
    splits = split_pictures(labelled, config.split, context)
    return write_splits(splits, names, config.link, context)


def read_annotations(config: ConvertConfig, context: RunContext) -> Annotations:
    """Read all places, in the order of the pictures' paths."""
    places = sources_of(config.source)
    kind = find_format(places, config.format)
    folders = [user_path(config.pictures).absolute()] if config.pictures else [item.folder for item in places]
    pictures, found = ImageFinder(folders), Annotations()
    for place in places:
        READERS[kind](place, pictures, found)
    if kind in {Format.yolo, Format.labelstudio}:
        add_background(places, pictures, found)
    if config.split is not None:  # then a picture in two splits of the source is one
        found.items = list(dict.fromkeys(replace(item, split=None) for item in found.items))
    found.items.sort(key=lambda item: item.picture.as_posix())
    _check_once(found.items)
    boxes = sum(len(item.boxes) for item in found.items)
    boxed = f"{counted(boxes, 'box')} of {counted(len(found.names), 'class')}"
    context.note(f"read {counted(len(found.items), 'image')}, {boxed} ({kind.value})")
    return found


def _check_once(items: Sequence[Item]) -> None:
    for one, other in pairwise(items):
        if one.picture != other.picture:
            continue
        if one.split and other.split and one.split != other.split:
            message = f"'{one.picture}' is in the splits '{one.split}' and '{other.split}'"
            raise HooklineError(message, "draw new ones, e.g. convert.split={train: 0.8, val: 0.2}")
        raise HooklineError(
            f"'{one.picture}' is annotated twice", "convert one source at a time, or remove one of the annotations"
        )


def _label(
    found: Annotations, numbers: Mapping[str, int], max_pixels: int, context: RunContext
) -> list[ConvertedImage]:
    """The rows of every picture that is there; the others join ``found.missing``."""
    left_out: Counter[str] = Counter()
    labelled = []
    with context.progress("measure images", len(found.items), "images") as progress:
        for item in found.items:
            try:
                rows = _rows(fractions(item, found.told, max_pixels), numbers, left_out, found.told)
                labelled.append(ConvertedImage(item.picture, rows, item.split))
                found.told["images that lost all their boxes, background now"] += bool(item.boxes and not rows)
            except UnreadableError as error:
                found.missing.append(f"{item.picture} ({error})")
            progress.advance()
    if left_out:
        shares = _first([f"{count} {name}" for name, count in left_out.most_common()])
        context.warn(f"dropped {counted(left_out.total(), 'box')} of classes that convert.names leaves out: {shares}")
    return labelled


def _rows(
    boxes: Iterable[tuple[str, Corners]], numbers: Mapping[str, int], left_out: Counter[str], told: Counter[str]
) -> tuple[Row, ...]:
    rows: list[Row] = []
    for name, corners in boxes:
        if name not in numbers:
            left_out[name] += 1
        elif (inside := clipped(corners, told)) is not None:
            rows.append(row(numbers[name], inside))
    unique = tuple(dict.fromkeys(rows))
    told["boxes that repeat another, dropped"] += len(rows) - len(unique)
    return unique


def _tell_missing(missing: Sequence[str], config: ConvertConfig, context: RunContext) -> None:
    if not missing:
        return
    shown = _first([f"'{name}'" for name in missing])
    message = f"{counted(len(missing), 'annotated image')} missing or unreadable: {shown}"
    if config.missing is Missing.stop:
        raise HooklineError(
            message, "convert.pictures=<folder> says where they are; convert.missing=skip leaves them out"
        )
    context.warn(f"left out {message}")


def _tell(told: Counter[str], context: RunContext) -> None:
    for what, count in sorted(told.items()):
        if count:
            (context.note if what.endswith("(kept)") else context.warn)(f"{what}: {count:,}")


def _tell_unseen(labelled: Sequence[ConvertedImage], names: Sequence[str], context: RunContext) -> None:
    background = sum(not item.rows for item in labelled)
    context.note(f"{counted(len(labelled), 'image')}, {background} of them without objects")
    seen = {number for item in labelled for number, *_ in item.rows}
    if unseen := [name for number, name in enumerate(names) if number not in seen]:
        context.warn(f"no objects of {len(unseen)} of {counted(len(names), 'class')}: {_first(unseen)}")


def _first(items: Sequence[str]) -> str:
    """As many as fit a line, and how many more there are."""
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return ", ".join(items[:SHOWN]) + more
