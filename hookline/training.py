"""For the training of a model family: the files that a trainer leaves, and values that options have in every family."""

from core.training import BEST, LAST, STATE
from core.training_choices import Amp, Cache, Optimizer

__all__ = [
    "BEST",
    "LAST",
    "STATE",
    "Amp",
    "Cache",
    "Optimizer",
]
