"""Stage ``dataset``: a data.yaml in YOLO layout becomes a checked list of pictures and labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.artifacts import Dataset
from core.config import shared
from core.errors import HooklineError
from core.hookspecs import hookimpl
from core.stage import Stage

if TYPE_CHECKING:
    from core.context import RunContext


@dataclass
class DatasetConfig:
    """Options of the stage.

    Attributes:
        data: Path of the data.yaml.
    """

    data: str | None = shared("data")


def dataset(config: DatasetConfig, context: RunContext) -> Dataset:
    """Read and check ``config.data``."""
    from stages.dataset.listing import make_listing

    if not config.data:
        raise _no_data()
    return make_listing(config.data, context)


def fingerprint(config: DatasetConfig, context: RunContext) -> Mapping[str, str]:
    """The place of the data set, and the content of its pictures and labels."""
    from core.digest import text_digest
    from stages.dataset.listing import digest_of, list_splits

    if not config.data:
        return {}
    spec, splits = list_splits(config.data)
    places = "\n".join(str(sample.picture) for samples in splits.values() for sample in samples)
    return {"places": text_digest(places), "content": digest_of(spec, splits, context.cache_dir)}


def check(config: DatasetConfig, _context: RunContext) -> Iterable[HooklineError]:
    """What is wrong with the data.yaml; pictures and labels are looked at when the stage runs."""
    from core.dataset import read_data_yaml

    if not config.data:
        yield _no_data()
        return
    try:
        read_data_yaml(config.data)
    except HooklineError as error:
        yield error


def _no_data() -> HooklineError:
    return HooklineError("no data set is given", "data=<data.yaml> names one, with path, train, val and names")


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """The stage of this package."""
    yield Stage(
        name="dataset",
        summary="check a data.yaml and list its pictures and labels",
        run=dataset,
        fingerprint=fingerprint,
        check=check,
    )
