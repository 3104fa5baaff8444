"""What is wrong with the options of a training, before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from core.context import RunContext
from core.dataset import split_problems
from core.devices import family_problems
from core.errors import HooklineError, unknown
from stages.train import TrainConfig

FRACTIONS = (
    "lrf", "momentum", "warmup_momentum", "label_smoothing", "mosaic", "mixup", "translate", "hsv_h", "hsv_s", "hsv_v",
    "fliplr", "flipud",
)  # fmt: skip
AT_LEAST = {
    "epochs": 1, "workers": 0, "patience": 0, "val_every": 1, "freeze": 0, "nominal_batch": 1, "warmup_epochs": 0,
    "weight_decay": 0, "clip": 0, "close_mosaic": 0, "box": 0, "obj": 0, "cls": 0,
}  # fmt: skip
ABOVE = {"lr0": 0.0, "anchor_t": 1.0, "obj_pw": 0.0, "cls_pw": 0.0}
WITHIN = {"scale": (0, 0.99), "degrees": (0, 180), "shear": (0, 60), "perspective": (0, 0.001)}


def problems(config: TrainConfig, context: RunContext) -> Iterator[HooklineError]:
    """Everything that can be told from the options alone."""
    if config.data:
        yield from split_problems(config.data, config.train_split, "train.train_split")
        yield from split_problems(config.data, config.val_split, "train.val_split")
    yield from _network(config, context)
    yield from family_problems(context, variants_of(context).get(config.model or "", ""))
    yield from _ranges(config)
    if config.batch != "auto" and (not isinstance(config.batch, int) or config.batch < 1):
        yield HooklineError(f"train.batch={config.batch} is out of range", "it is at least 1, or auto")
    if not isinstance(config.imgsz, int):
        yield HooklineError(f"imgsz={config.imgsz} is no single number", "a training takes square input: imgsz=640")
    if config.time is not None and config.time <= 0:
        yield HooklineError(f"train.time={config.time} is out of range", "hours, more than 0")


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


def _ranges(config: TrainConfig) -> Iterable[HooklineError]:
    for name in FRACTIONS:
        yield from _outside(config, name, 0, 1)
    for name, (low, high) in WITHIN.items():
        yield from _outside(config, name, low, high)
    for name, least in AT_LEAST.items():
        if (value := getattr(config, name)) < least:
            yield HooklineError(f"train.{name}={value} is out of range", f"it is at least {least}")
    for name, limit in ABOVE.items():
        if (value := getattr(config, name)) <= limit:
            yield HooklineError(f"train.{name}={value} is out of range", f"it is more than {limit:g}")


def _outside(config: TrainConfig, name: str, low: float, high: float) -> Iterator[HooklineError]:
    value = getattr(config, name)
    if not low <= value <= high:
        yield HooklineError(f"train.{name}={value} is out of range", f"it goes from {low} to {high:g}")
