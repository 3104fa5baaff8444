"""Stage ``dataset``: a data.yaml in YOLO layout becomes a checked list of pictures and labels, and a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from core.artifacts import Dataset
from core.errors import HooklineError
from core.kinds.stage import Known, Stage
from core.plugins.hookspecs import hookimpl
from stages.dataset.config import DatasetConfig

if TYPE_CHECKING:
    from core.kinds.context import RunContext


def dataset(config: DatasetConfig, context: RunContext) -> Dataset:
    """Audit ``config.data``, report, and list what can be used."""
    from stages.dataset.report import make_dataset

    if not config.data:
        raise _no_data()
    return make_dataset(config, config.data, context)


def fingerprint(config: DatasetConfig, context: RunContext) -> Mapping[str, str]:
    """Return the places and the content of images and labels: the listing holds absolute paths."""
    from stages.dataset.listing import fingerprint_of

    return fingerprint_of(config.data, context.cache_dir) if config.data else {}


def check(config: DatasetConfig) -> Iterable[HooklineError]:
    """Yield what is wrong with the data.yaml and its lists; the stage itself reads images and labels."""
    from core.data.data_yaml import read_data_yaml
    from core.data.dataset import list_problems

    if not config.data:
        yield _no_data()
        return
    try:
        yield from list_problems(read_data_yaml(config.data))
    except HooklineError as error:
        yield error


def known(config: DatasetConfig) -> Known:
    """Return the class names that the data.yaml gives."""
    from core.data.data_yaml import read_data_yaml

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
