"""Stage ``dataset``: check the images and labels of a data.yaml in YOLO layout, list them, and write a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from core.artifacts import Dataset
from core.errors import HooklineError
from core.kinds.stage import Known, Stage
from core.options.sizes import network_size
from core.plugins.hookspecs import hookimpl
from stages.dataset.config import DatasetConfig

if TYPE_CHECKING:
    from core.kinds.context import RunContext


def dataset(config: DatasetConfig, context: RunContext) -> Dataset:
    """Check ``config.data``, write the report, and list the usable images."""
    from stages.dataset.making import make_dataset

    return make_dataset(config, context)


def fingerprint(config: DatasetConfig, context: RunContext) -> Mapping[str, str]:
    """Return paths and content of images and labels; the listing contains absolute paths."""
    from stages.dataset.listing import fingerprint_of

    return fingerprint_of(config.data, context.cache_dir) if config.data else {}


def check(config: DatasetConfig) -> Iterable[HooklineError]:
    """Yield unknown kinds of findings, a wrong size, and errors in the data.yaml and its lists; no image is opened."""
    from core.data.data_yaml import read_data_yaml
    from core.data.dataset import list_problems
    from stages.dataset.findings import kind_problems
    from stages.dataset.listing import given_data

    yield from kind_problems(config.only, config.skip)
    try:
        network_size(config.imgsz, 1)
        yield from list_problems(read_data_yaml(given_data(config)))
    except HooklineError as error:
        yield error


def known(config: DatasetConfig) -> Known:
    """Return the class names of the data.yaml."""
    from core.data.data_yaml import read_data_yaml

    try:
        return Known("the data set", read_data_yaml(config.data).names if config.data else None)
    except HooklineError:  # the check reports it
        return Known()


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """Yield the stage of this package."""
    yield Stage(
        name="dataset",
        summary="check every image and label of a data.yaml, and report what is in it",
        run=dataset,
        packages=("opencv", "pillow-heif"),
        given=lambda config: bool(config.data),
        fingerprint=fingerprint,
        check=check,
        known=known,
    )
