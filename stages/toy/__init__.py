"""Stage ``toy``: generate a data set of shapes on textured backgrounds, for tests and first steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from core.artifacts import Dataset
from core.kinds.stage import Known, Stage
from core.plugins.hookspecs import hookimpl
from stages.toy.config import SHAPES, ToyConfig

if TYPE_CHECKING:
    from core.kinds.context import RunContext


def toy(config: ToyConfig, context: RunContext) -> Dataset:
    """Draw the images and write their labels."""
    from stages.toy.generating import generate

    return generate(config, context)


def known(config: ToyConfig) -> Known:
    """Return the class names of the data set."""
    return Known("the data set", SHAPES[: config.classes])


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """Yield the stage of this package."""
    yield Stage(
        name="toy",
        summary="generate a data set of shapes on textured backgrounds",
        run=toy,
        packages=("numpy", "opencv"),
        automatic=False,
        known=known,
    )
