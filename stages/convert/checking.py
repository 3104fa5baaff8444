"""Check the options of a conversion before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from core.errors import HooklineError, shown
from core.files.paths import user_path
from core.files.regular_file import is_folder
from stages.convert.config import SPLITS, ConvertConfig
from stages.convert.detect import find_format, sources_of


def problems(config: ConvertConfig) -> Iterator[HooklineError]:
    """Yield errors for a missing source, a source of unknown format, and invalid options."""
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
