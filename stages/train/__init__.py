"""Stage ``train``: train a network on labelled images."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from core.artifacts import Artifact, Checkpoint, Dataset
from core.errors import HooklineError
from core.kinds.stage import Known, Stage
from core.plugins.hookspecs import hookimpl
from stages.train.config import PR_CURVE, TrainConfig

if TYPE_CHECKING:
    from core.kinds.context import RunContext


def train(config: TrainConfig, dataset: Dataset, start: Checkpoint | None, context: RunContext) -> Checkpoint:
    """Train a network on ``dataset``, from the weights ``start`` or from random ones."""
    from stages.train.training import train_model

    return train_model(config, dataset, start, context)


def select(config: TrainConfig) -> Collection[type[Artifact]]:
    """Return the optional input: a checkpoint unless the training starts from random weights."""
    return [Checkpoint] if config.weights else []


def families(config: TrainConfig, inputs: Mapping[str, Artifact], context: RunContext) -> Iterable[str]:
    """Return the family of ``train.model``, or that of the weights."""
    from stages.train.checking import families as shaping_families

    return shaping_families(config, inputs, context)


def supplement(
    config: TrainConfig, artifact: Checkpoint, inputs: Mapping[str, Artifact], context: RunContext
) -> Callable[[Path], None] | None:
    """Return a function that draws the charts of a stored training run that has none."""
    if not config.plots or (artifact.path.parent / PR_CURVE).is_file():
        return None
    from stages.train.training import drawing

    dataset = inputs["dataset"]
    assert isinstance(dataset, Dataset)
    return drawing(config, artifact, dataset, context)


def check(config: TrainConfig, context: RunContext) -> Iterable[HooklineError]:
    """Yield errors in the options alone: missing splits, unknown networks, an input size that is not square."""
    from stages.train.checking import problems

    yield from problems(config, context)


def known(config: TrainConfig, inputs: Mapping[str, Known], context: RunContext) -> Known:
    """Return the classes of the data set, and the family and stride of the network."""
    from stages.train.checking import known_network

    return known_network(config, inputs, context)


def check_inputs(config: TrainConfig, inputs: Mapping[str, Known], context: RunContext) -> Iterable[HooklineError]:
    """Yield classes that the data set lacks, an input size off the stride, and weights of another model family."""
    from stages.train.checking import fitting_problems

    yield from fitting_problems(config, inputs, context)


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """Register the stage ``train``."""
    yield Stage(
        name="train",
        summary="train a network on labelled images",
        run=train,
        packages=("numpy", "opencv", "pillow-heif"),
        families=families,
        select=select,
        check=check,
        known=known,
        check_inputs=check_inputs,
        automatic=False,
        resumable=True,
        incremental=True,
        collective=True,
        supplement=supplement,
    )
