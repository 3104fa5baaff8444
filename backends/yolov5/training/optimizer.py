"""Which weights move, and what moves them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from backends.yolov5.blueprint import blueprint
from backends.yolov5.errors import TrainingError
from backends.yolov5.model import YOLOv5
from backends.yolov5.training.options import TrainingOptions
from core.errors import counted
from core.training_choices import Optimizer

_NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm)


def accumulation(settings: TrainingOptions, batch: int) -> int:
    """Batches whose gradients are summed to come near the nominal batch; 1 where ``batch`` is as large already."""
    return max(round(settings.nominal_batch / batch), 1)


def make_optimizer(model: nn.Module, settings: TrainingOptions, batch: int) -> torch.optim.Optimizer:
    """Return the optimizer of all parameters that are not frozen.

    Its groups are called ``weights``, ``norms`` and ``biases``. Only weights decay, by ``weight_decay`` scaled
    with the pictures that one step sees; decay is added to the gradient, in AdamW to the weights.

    Args:
        model: On the device it is trained on.
        settings: Optimizer, rates, momentum and decay.
        batch: Pictures a batch, of all processes together.
    """
    decay = settings.weight_decay * batch * accumulation(settings, batch) / settings.nominal_batch
    groups = [
        {"params": parameters, "name": name, "weight_decay": decay if name == "weights" else 0.0}
        for name, parameters in _groups(model).items()
    ]
    if settings.optimizer is Optimizer.sgd:
        return torch.optim.SGD(groups, lr=settings.lr0, momentum=settings.momentum, nesterov=True, fused=True)
    kind = torch.optim.AdamW if settings.optimizer is Optimizer.adamw else torch.optim.Adam
    return kind(groups, lr=settings.lr0, betas=(settings.momentum, 0.999), fused=True)


def _groups(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    groups: dict[str, list[nn.Parameter]] = {"weights": [], "norms": [], "biases": []}
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad:
                weights = "norms" if isinstance(module, _NORMS) else "weights"
                groups["biases" if name == "bias" else weights].append(parameter)
    return groups


def freeze(model: YOLOv5, layers: int | Sequence[str]) -> tuple[str, ...]:
    """Keep layers as they are: their parameters get no gradient.

    Layers are counted in the order of the official networks, those without weights too: 10 is the backbone.
    A normalisation whose parameters are frozen belongs in evaluation mode, so that its statistics stay.

    Args:
        model: Changed in place.
        layers: How many from the input on, or the names of modules, e.g. ``stages.0`` or ``detect``.

    Returns:
        The names of the frozen parameters.

    Raises:
        TrainingError: No such layer, or nothing would be left to train.
    """
    chosen = _first(model, layers) if isinstance(layers, int) else list(layers)
    known = {name for name, module in model.named_modules() if name and next(module.parameters(), None) is not None}
    for name in chosen:
        if name not in known:
            possible = ", ".join(filter(None, _layers(model)))
            raise TrainingError(f"no layer '{name}' to freeze", f"possible: {possible}, and what is in them")
    within = tuple(f"{name}." for name in chosen)
    frozen = tuple(name for name, _ in model.named_parameters() if name.startswith(within))
    if len(frozen) == len(list(model.parameters())):
        raise TrainingError("every layer is frozen: nothing is left to train", "freeze fewer layers")
    for name in frozen:
        model.get_parameter(name).requires_grad = False
    return frozen


def _first(model: YOLOv5, count: int) -> list[str]:
    layers = _layers(model)
    if not 0 <= count < len(layers):
        raise TrainingError(
            f"freeze={count} of {counted(len(layers), 'layer')}", f"0 to {len(layers) - 1} layers can be frozen"
        )
    return [layer for layer in layers[:count] if layer]


def _layers(model: YOLOv5) -> list[str]:
    """The names of all layers, empty for those without weights."""
    return [layer.name for layer in blueprint(model.config.levels, pool_first=model.config.pool_first)]
