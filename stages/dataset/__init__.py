"""Stage ``dataset``: a data.yaml in YOLO layout becomes a checked list of pictures and labels, and a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from core.artifacts import Dataset
from core.config import shared
from core.errors import HooklineError
from core.hookspecs import hookimpl
from core.known import Known
from core.stage import Stage

if TYPE_CHECKING:
    from core.context import RunContext


class Bad(str, Enum):
    """What becomes of pictures with an error: the stage stops, or they are left out and counted."""

    stop = "stop"
    skip = "skip"


@dataclass
class DatasetConfig:
    """Options of the stage.

    Attributes:
        data: Path of the data.yaml.
        bad: On images that cannot be read and labels that are wrong: `stop`, or `skip` those images.
        report: Draw charts, sample images and report.html; report.json is always written.
        max_pixels: Maximum width x height of an image; the header is checked before anything is decoded.
    """

    data: str | None = shared("data", place=True)
    bad: Bad = Bad.stop
    report: bool = True
    max_pixels: int = shared("max_pixels")


def dataset(config: DatasetConfig, context: RunContext) -> Dataset:
    """Audit ``config.data``, report, and list what can be used."""
    from stages.dataset.making import make_dataset

    if not config.data:
        raise _no_data()
    return make_dataset(config, config.data, context)


def fingerprint(config: DatasetConfig, context: RunContext) -> Mapping[str, str]:
    """Return the places and the content of images and labels: the listing holds absolute paths."""
    from stages.dataset.listing import fingerprint_of

    return fingerprint_of(config.data, context.cache_dir) if config.data else {}


def check(config: DatasetConfig) -> Iterable[HooklineError]:
    """Yield what is wrong with the data.yaml and its lists; the stage itself reads images and labels."""
    from core.dataset import list_problems, read_data_yaml

    if not config.data:
        yield _no_data()
        return
    try:
        yield from list_problems(read_data_yaml(config.data))
    except HooklineError as error:
        yield error


def known(config: DatasetConfig) -> Known:
    """Return the class names that the data.yaml gives."""
    from core.dataset import read_data_yaml

    try:
        return Known("the data set", read_data_yaml(config.data).names if config.data else None)
    except HooklineError:  # the check reports it
        return Known()


def _no_data() -> HooklineError:
    return HooklineError("no data set is given", "data=<data.yaml> names one, with path, train, val and names")


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """The stage of this package."""
    yield Stage(
        name="dataset",
        summary="check every image and label of a data.yaml, and report what is in it",
        run=dataset,
        packages=("opencv",),
        given=lambda config: bool(config.data),
        fingerprint=fingerprint,
        check=check,
        known=known,
    )
