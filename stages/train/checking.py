"""Checks of the training options in the plan, before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from core.artifacts import Artifact
from core.data.classes import class_ids
from core.data.dataset import split_problems
from core.errors import HooklineError, shown, unknown
from core.kinds.context import RunContext
from core.kinds.model import ModelFamily
from core.kinds.stage import Known, families_of_inputs
from core.labels import SINGLE_CLASS
from core.options.sizes import network_size
from core.planning.known import refusals
from core.selection.devices import family_problems
from stages.train.config import TrainConfig


def problems(config: TrainConfig, context: RunContext) -> Iterator[HooklineError]:
    """Yield all errors in the options alone."""
    if config.data:
        yield from split_problems(config.data, config.train_split, "train.train_split")
        yield from split_problems(config.data, config.val_split, "train.val_split")
    yield from _network(config, context)
    yield from family_problems(context, variants_of(context).get(config.model or "", ""))
    if not isinstance(config.imgsz, int):
        yield HooklineError(
            f"imgsz={shown(config.imgsz)} is not a single number",
            "training uses a square input: give one number, e.g. imgsz=640",
        )


def known_network(config: TrainConfig, inputs: Mapping[str, Known], context: RunContext) -> Known:
    """Return the known facts of the result: classes of the data set, network of ``train.model`` or of the weights."""
    names = SINGLE_CLASS if config.single_class else inputs.get("dataset", Known()).names
    start = inputs.get("start", Known())
    family, stride = start.family, start.max_stride
    if config.model and (owner := variants_of(context).get(config.model)):
        family, stride = owner, context.family(owner).strides.get(config.model)
    return Known("the trained network", names, stride, family=family)


def fitting_problems(config: TrainConfig, inputs: Mapping[str, Known], context: RunContext) -> Iterator[HooklineError]:
    """Yield errors of options and inputs: unknown classes, input size and stride, and the model family."""
    if (names := inputs.get("dataset", Known()).names) is not None:
        yield from refusals(class_ids, config.classes, names)
    network = known_network(config, inputs, context)
    if isinstance(config.imgsz, int):
        yield from refusals(network_size, config.imgsz, network.max_stride or 1)
    if network.family is not None:
        yield from _family_problems(config, network.family, inputs.get("start", Known()), context)


def _family_problems(config: TrainConfig, family: str, start: Known, context: RunContext) -> Iterator[HooklineError]:
    """Yield errors for weights of another family, and for a family without training."""
    if start.family not in {None, family}:
        yield HooklineError(
            f"{start.title} has weights of the family '{start.family}', but model={config.model} belongs to '{family}'",
            "give weights of that family, or weights=null",
        )
    if context.family(family).training is None:
        trained = [name for name, part in context.registry.all(ModelFamily).items() if part.training is not None]
        yield HooklineError(
            f"the model family '{family}' cannot be trained",
            f"choose a network of another family; possible: {', '.join(trained) or 'none'}",
        )


def _network(config: TrainConfig, context: RunContext) -> Iterator[HooklineError]:
    variants = variants_of(context)
    if config.model and config.model not in variants:
        yield unknown("model", config.model, sorted(variants))
    if not config.model and not config.weights:
        network = next(iter(variants), "<network>")
        yield HooklineError(
            "neither model= nor weights= is given",
            f"set model={network} weights=null to train from random weights, or weights={network} for official ones",
        )


def variants_of(context: RunContext) -> dict[str, str]:
    """Return the model family of each network, by name."""
    families = context.registry.all(ModelFamily)
    return {variant: family for family, part in families.items() for variant in part.variants}


def families(config: TrainConfig, inputs: Mapping[str, Artifact], context: RunContext) -> Iterable[str]:
    """Return the family of ``train.model``, or that of the weights."""
    return [variants_of(context)[config.model]] if config.model else families_of_inputs(inputs, context)
