"""Stage ``convert``: import the files of annotation tools as a data set in YOLO layout."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from core.artifacts import Dataset
from core.errors import HooklineError
from core.kinds.stage import Stage
from core.plugins.hookspecs import hookimpl
from stages.convert.config import ConvertConfig

if TYPE_CHECKING:
    from core.kinds.context import RunContext


def convert(config: ConvertConfig, context: RunContext) -> Dataset:
    """Read the annotations; write images, labels and data.yaml."""
    from stages.convert.converting import convert_source

    return convert_source(config, context)


def check(config: ConvertConfig) -> Iterable[HooklineError]:
    """Yield errors for a missing source, a source of unknown format, and invalid options."""
    from stages.convert.checking import problems

    return problems(config)


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
