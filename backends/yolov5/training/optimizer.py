"""Optimizer, learning-rate schedule, and the moving average of the weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from backends.yolov5.config import blueprint
from backends.yolov5.errors import TrainingError
from backends.yolov5.model import YOLOv5
from backends.yolov5.training.options import TrainingOptions
from core.errors import counted
from core.kinds.training import Optimizer


class EMA:
    """An average that follows closely at first: its decay is ``decay * (1 - exp(-updates / tau))``.

    Weights and the statistics of normalisations are averaged; counters are copied.

    Args:
        model: What it starts as; its float32 copy is kept in evaluation mode, without gradients.
        decay: In the long run.
        tau: Updates after which 63 % of that is reached.
        updates: Updates already made.

    Attributes:
        model: The average.
        updates: Updates made.
    """

    def __init__(self, model: YOLOv5, decay: float = 0.9999, tau: float = 2000, updates: int = 0) -> None:
        self.model = copy.deepcopy(model).float().eval().requires_grad_(requires_grad=False)
        self.decay, self.tau, self.updates = decay, tau, updates

    @torch.no_grad()
    def update(self, model: YOLOv5) -> None:
        """Take in the weights after a step of the optimiser; ``model`` is not wrapped and on the same device."""
        self.updates += 1
        share = 1 - self.decay * (1 - math.exp(-self.updates / self.tau))
        (floats, counters), (new_floats, new_counters) = _tensors(self.model), _tensors(model)
        torch._foreach_lerp_(floats, new_floats, share)
        for counter, new in zip(counters, new_counters, strict=True):
            counter.copy_(new)

    def load(self, state: Mapping[str, Tensor], updates: int) -> None:
        """Go on from the average ``state`` after so many updates."""
        self.model.load_state_dict(state)
        self.updates = updates


def _tensors(model: YOLOv5) -> tuple[list[Tensor], list[Tensor]]:
    """All that floats, and all that counts."""
    tensors = [*model.parameters(), *model.buffers()]
    return [each for each in tensors if each.is_floating_point()], [
        each for each in tensors if not each.is_floating_point()
    ]


LEAST_WARMUP = 100
"""Batches that a warm-up has at least."""


class Schedule:
    """A pure function of the batch and the epoch: a resumed training has nothing to restore.

    Args:
        settings: Rates, momentum and warm-up.
        epochs: Of the whole training.
        batches_per_epoch: For one process.
        batch: Pictures a batch, of all processes together.
    """

    def __init__(self, settings: TrainingOptions, epochs: int, batches_per_epoch: int, batch: int) -> None:
        self.settings, self.epochs, self.batch = settings, epochs, batch
        self.warmup = 0
        if settings.warmup_epochs > 0:
            self.warmup = max(round(settings.warmup_epochs * batches_per_epoch), LEAST_WARMUP)

    def rate(self, epoch: int) -> float:
        """Learning rate of epoch 0, 1, ... after the warm-up: lr0 at first, lr0*lrf when the last one has ended."""
        share = epoch / self.epochs
        if self.settings.cos_lr:
            share = (1 - math.cos(math.pi * share)) / 2
        return self.settings.lr0 * (1 + share * (self.settings.lrf - 1))

    def apply(self, optimizer: torch.optim.Optimizer, step: int, epoch: int) -> int:
        """Set rates and momentum for a batch.

        Args:
            optimizer: As :func:`~backends.yolov5.training.optimizer.make_optimizer` makes it.
            step: Batches before this one, counted from the start of the training.
            epoch: The epoch it belongs to, from 0.

        Returns:
            Over how many batches gradients are summed for a step.
        """
        settings, rate = self.settings, self.rate(epoch)
        done = min(step / self.warmup, 1.0) if self.warmup else 1.0
        for group in optimizer.param_groups:
            start = settings.warmup_bias_lr if group["name"] == "biases" else 0.0
            group["lr"] = _between(start, rate, done)
            _set_momentum(group, _between(settings.warmup_momentum, settings.momentum, done))
        if done == 1:
            return accumulation(settings, self.batch)
        return max(round(_between(1, settings.nominal_batch / self.batch, done)), 1)


def _between(start: float, end: float, share: float) -> float:
    return end if share == 1 else start + (end - start) * share


def _set_momentum(group: dict[str, object], momentum: float) -> None:
    if "momentum" in group:
        group["momentum"] = momentum
    else:
        group["betas"] = (momentum, 0.999)


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
