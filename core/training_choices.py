"""Enumerations for options of a training, shared by the ``train`` stage and the families whose training has them.

Two families may declare an option of one name only with one annotation (:mod:`core.family_options`). A family that
needs one of these choices therefore uses the enumeration from here.
"""

from __future__ import annotations

from enum import Enum


class Optimizer(str, Enum):
    """``sgd`` with Nesterov momentum, ``adam`` or ``adamw``."""

    sgd = "sgd"
    adam = "adam"
    adamw = "adamw"


class Amp(str, Enum):
    """Mixed precision. ``auto``: ``bf16`` on a GPU that has it, else ``fp16``; ``off`` on a CPU."""

    auto = "auto"
    off = "off"
    fp16 = "fp16"
    bf16 = "bf16"


class Cache(str, Enum):
    """Where decoded images are kept: nowhere (``none``) or in memory (``ram``)."""

    none = "none"
    ram = "ram"
