"""For the training of a model family: names of the files that a trainer leaves, and types of options and arguments."""

from core.training import BEST, LAST, STATE, ValidationLosses
from core.training_choices import Amp, Cache, Optimizer

__all__ = [
    "BEST",
    "LAST",
    "STATE",
    "Amp",
    "Cache",
    "Optimizer",
    "ValidationLosses",
]
