"""Names for plugins that train a model family: file names, types of options, and types of arguments."""

from core.kinds.training import BEST, LAST, STATE, Amp, ImageCache, Optimizer
from core.kinds.training_progress import ValidationLosses

__all__ = [
    "BEST",
    "LAST",
    "STATE",
    "Amp",
    "ImageCache",
    "Optimizer",
    "ValidationLosses",
]
