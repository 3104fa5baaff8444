"""For the training of a model family: names of the files that a trainer leaves, and types of options and arguments."""

from core.kinds.training import BEST, LAST, STATE, Amp, ImageCache, Optimizer, ValidationLosses

__all__ = [
    "BEST",
    "LAST",
    "STATE",
    "Amp",
    "ImageCache",
    "Optimizer",
    "ValidationLosses",
]
