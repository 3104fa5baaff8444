"""Stage ``convert``: import the files of annotation tools as a data set in YOLO layout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from core.artifacts import Dataset
from core.errors import HooklineError, shown
from core.files.paths import user_path
from core.files.regular_file import is_folder
from core.kinds.stage import Stage
from core.plugins.hookspecs import hookimpl
from stages.convert.config import SPLITS, ConvertConfig

if TYPE_CHECKING:
    from core.kinds.context import RunContext


def convert(config: ConvertConfig, context: RunContext) -> Dataset:
    """Read the annotations; write images, labels and data.yaml."""
    from stages.convert.converting import convert_source

    return convert_source(config, context)


def check(config: ConvertConfig) -> Iterable[HooklineError]:
    """Yield errors for a missing source, a source of unknown format, and invalid options."""
    from stages.convert.detect import find_format, sources_of

    try:
        find_format(sources_of(config.source), config.format)
    except HooklineError as problem:
        yield problem
    if config.pictures and not is_folder(user_path(config.pictures)):
        yield HooklineError(
            f"convert.pictures={shown(config.pictures)} is not a folder", "give the folder of the images"
        )
    if config.split is not None and (wrong := _split_problem(config.split)):
        yield HooklineError(
            f"convert.split={shown(config.split)} {wrong}", "give shares such as {train: 0.8, val: 0.2}"
        )
    if config.names is not None and not _are_names(config.names):
        yield HooklineError(
            f"convert.names={shown(config.names)} does not choose classes", "give [person,car] or {man: person}"
        )


def _are_names(names: object) -> bool:
    """Return whether this is a list of names or a mapping of names to names; YAML reads some names as numbers."""
    if not isinstance(names, (list, dict)) or not names:
        return False
    given = [*names, *names.values()] if isinstance(names, dict) else names
    return all(isinstance(name, (str, int, float)) and not isinstance(name, bool) for name in given)


def _split_problem(split: object) -> str:
    if not isinstance(split, Mapping) or not split:
        return "is not a mapping"
    if strange := [str(name) for name in split if name not in SPLITS]:
        return f"names {', '.join(strange)}, possible: {', '.join(SPLITS)}"
    shares = list(split.values())
    if not all(isinstance(share, (int, float)) and 0 < share <= 1 for share in shares):
        return "has shares outside 0 to 1"
    return "" if abs(sum(shares) - 1) < 1e-6 else f"adds up to {sum(shares):g}, not 1"


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """Yield the stage; it is not stored, because the store would hold a second copy of each image."""
    yield Stage(
        name="convert",
        summary="import labelImg, Pascal VOC, CreateML, COCO or Label Studio annotations as a YOLO data set",
        run=convert,
        check=check,
        stored=False,
        automatic=False,
    )
