"""What is wrong with the options of a training, before anything runs."""

from __future__ import annotations

from collections.abc import Iterator

from core.context import RunContext
from core.dataset import split_problems
from core.devices import family_problems
from core.errors import HooklineError, unknown
from stages.train import TrainConfig


def problems(config: TrainConfig, context: RunContext) -> Iterator[HooklineError]:
    """Everything that can be told from the options alone."""
    if config.data:
        yield from split_problems(config.data, config.train_split, "train.train_split")
        yield from split_problems(config.data, config.val_split, "train.val_split")
    yield from _network(config, context)
    yield from family_problems(context, variants_of(context).get(config.model or "", ""))
    if not isinstance(config.imgsz, int):
        yield HooklineError(f"imgsz={config.imgsz} is no single number", "a training takes square input: imgsz=640")


def _network(config: TrainConfig, context: RunContext) -> Iterator[HooklineError]:
    variants = variants_of(context)
    if config.model and config.model not in variants:
        yield unknown("model", config.model, sorted(variants))
    if not config.model and not config.weights:
        yield HooklineError(
            "there is nothing to train: neither a network nor weights are given",
            "model=yolov5s weights=null trains from random weights, weights=yolov5s goes on from official ones",
        )


def variants_of(context: RunContext) -> dict[str, str]:
    """Family by name of a network."""
    families = context.registry.parts("models")
    return {variant: family for family, part in families.items() for variant in part.variants}
