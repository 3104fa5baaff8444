"""Choices in the training options that several model families share."""

from __future__ import annotations

from enum import Enum


class Optimizer(str, Enum):
    """Optimiser: ``sgd`` with Nesterov momentum, ``adam`` or ``adamw``."""

    sgd = "sgd"
    adam = "adam"
    adamw = "adamw"


class Amp(str, Enum):
    """Automatic mixed precision.

    ``auto`` is ``bf16`` on a GPU that supports it, ``fp16`` on other GPUs, and ``off`` on a CPU.
    """

    auto = "auto"
    off = "off"
    fp16 = "fp16"
    bf16 = "bf16"


class ImageCache(str, Enum):
    """Where decoded images are cached: not at all (``none``) or in memory (``ram``)."""

    none = "none"
    ram = "ram"
