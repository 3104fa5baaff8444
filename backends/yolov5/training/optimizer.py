"""Optimizer, learning-rate schedule, frozen layers, and the exponential moving average (EMA) of the weights."""

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
from core.options.training import Optimizer


class EMA:
    """Exponential moving average of the weights, with the decay ``decay * (1 - exp(-updates / tau))``.

    Weights and statistics of batch normalisation are averaged; integer counters are copied.

    Args:
        model: Initial weights; copied in float32 and evaluation mode, without gradients.
        decay: Limit of the decay.
        tau: Number of updates after which the decay reaches 63 % of its limit.
        updates: Number of previous updates.

    Attributes:
        model: The network with the averaged weights.
        updates: Number of updates.
    """

    def __init__(self, model: YOLOv5, decay: float = 0.9999, tau: float = 2000, updates: int = 0) -> None:
        self.model = copy.deepcopy(model).float().eval().requires_grad_(requires_grad=False)
        self.decay, self.tau, self.updates = decay, tau, updates

    @torch.no_grad()
    def update(self, model: YOLOv5) -> None:
        """Add the weights after an optimizer step; ``model`` is on the same device and not wrapped by DDP."""
        self.updates += 1
        share = 1 - self.decay * (1 - math.exp(-self.updates / self.tau))
        (floats, counters), (new_floats, new_counters) = _tensors(self.model), _tensors(model)
        torch._foreach_lerp_(floats, new_floats, share)
        for counter, new in zip(counters, new_counters, strict=True):
            counter.copy_(new)

    def load(self, state: Mapping[str, Tensor], updates: int) -> None:
        """Restore the averaged weights ``state`` after ``updates`` updates."""
        self.model.load_state_dict(state)
        self.updates = updates


def _tensors(model: YOLOv5) -> tuple[list[Tensor], list[Tensor]]:
    """Return the floating-point tensors and the integer counters of a model."""
    tensors = [*model.parameters(), *model.buffers()]
    return [each for each in tensors if each.is_floating_point()], [
        each for each in tensors if not each.is_floating_point()
    ]


MIN_WARMUP = 100
"""Minimum length of a warm-up in batches."""


class Schedule:
    """Learning rate, momentum and gradient accumulation as a pure function of batch and epoch, without state.

    Args:
        options: Learning rates, momentum and warm-up.
        epochs: Number of epochs of the whole training.
        batches_per_epoch: Number of batches per epoch of one process.
        batch: Images per batch, of all processes together.
    """

    def __init__(self, options: TrainingOptions, epochs: int, batches_per_epoch: int, batch: int) -> None:
        self.options, self.epochs, self.batch = options, epochs, batch
        self.warmup = 0
        if options.warmup_epochs > 0:
            self.warmup = max(round(options.warmup_epochs * batches_per_epoch), MIN_WARMUP)

    def rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch after the warm-up: from lr0 to lr0*lrf after the last epoch."""
        share = epoch / self.epochs
        if self.options.cos_lr:
            share = (1 - math.cos(math.pi * share)) / 2
        return self.options.lr0 * (1 + share * (self.options.lrf - 1))

    def apply(self, optimizer: torch.optim.Optimizer, step: int, epoch: int) -> int:
        """Set learning rates and momentum for a batch.

        Args:
            optimizer: The optimizer from :func:`make_optimizer`.
            step: Number of the batch in the whole training, from 0.
            epoch: Its epoch, from 0.

        Returns:
            Number of batches to accumulate gradients over before an optimizer step.
        """
        options, rate = self.options, self.rate(epoch)
        done = min(step / self.warmup, 1.0) if self.warmup else 1.0
        for group in optimizer.param_groups:
            start = options.warmup_bias_lr if group["name"] == "biases" else 0.0
            group["lr"] = _between(start, rate, done)
            _set_momentum(group, _between(options.warmup_momentum, options.momentum, done))
        if done == 1:
            return accumulation(options, self.batch)
        return max(round(_between(1, options.nominal_batch / self.batch, done)), 1)


def _between(start: float, end: float, share: float) -> float:
    return end if share == 1 else start + (end - start) * share


def _set_momentum(group: dict[str, object], momentum: float) -> None:
    if "momentum" in group:
        group["momentum"] = momentum
    else:
        group["betas"] = (momentum, 0.999)


_NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm)


def accumulation(options: TrainingOptions, batch: int) -> int:
    """Return the number of batches to accumulate gradients over, to come close to ``nominal_batch``; at least 1."""
    return max(round(options.nominal_batch / batch), 1)


def make_optimizer(model: nn.Module, options: TrainingOptions, batch: int) -> torch.optim.Optimizer:
    """Return the optimizer of all parameters that are not frozen.

    Its parameter groups are ``weights``, ``norms`` and ``biases``. Weight decay applies to ``weights`` only and is
    scaled with the number of images per step. AdamW decouples it from the gradient.

    Args:
        model: The network, on the training device.
        options: Optimizer, learning rates, momentum and weight decay.
        batch: Images per batch, of all processes together.
    """
    decay = options.weight_decay * batch * accumulation(options, batch) / options.nominal_batch
    groups = [
        {"params": parameters, "name": name, "weight_decay": decay if name == "weights" else 0.0}
        for name, parameters in _groups(model).items()
    ]
    if options.optimizer is Optimizer.sgd:
        return torch.optim.SGD(groups, lr=options.lr0, momentum=options.momentum, nesterov=True, fused=True)
    kind = torch.optim.AdamW if options.optimizer is Optimizer.adamw else torch.optim.Adam
    return kind(groups, lr=options.lr0, betas=(options.momentum, 0.999), fused=True)


def _groups(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    groups: dict[str, list[nn.Parameter]] = {"weights": [], "norms": [], "biases": []}
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad:
                weights = "norms" if isinstance(module, _NORMS) else "weights"
                groups["biases" if name == "bias" else weights].append(parameter)
    return groups


def freeze(model: YOLOv5, layers: int | Sequence[str]) -> tuple[str, ...]:
    """Freeze layers: their parameters get no gradient.

    Layers are counted in the order of the official networks, including those without weights: the first 10 are the
    backbone. The caller must keep frozen batch normalisation in evaluation mode, so that its statistics do not change.

    Args:
        model: The network, modified in place.
        layers: Number of layers from the input, or names of modules, e.g. ``stages.0`` or ``detect``.

    Returns:
        The names of the frozen parameters.

    Raises:
        TrainingError: A layer does not exist, or all parameters would be frozen.
    """
    selected = _first(model, layers) if isinstance(layers, int) else list(layers)
    known = {name for name, module in model.named_modules() if name and next(module.parameters(), None) is not None}
    for name in selected:
        if name not in known:
            possible = ", ".join(filter(None, _layers(model)))
            raise TrainingError(f"no layer '{name}' to freeze", f"possible: {possible}, and their modules")
    within = tuple(f"{name}." for name in selected)
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
            f"train.freeze={count}, but the network has {counted(len(layers), 'layer')}",
            f"0 to {len(layers) - 1} layers can be frozen",
        )
    return [layer for layer in layers[:count] if layer]


def _layers(model: YOLOv5) -> list[str]:
    """Return the names of all layers; the name is empty for a layer without weights."""
    return [layer.name for layer in blueprint(model.config.levels, pool_first=model.config.pool_first)]
