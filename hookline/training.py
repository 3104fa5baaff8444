"""Names for plugins that train a model family: file names, types of options, and types of arguments."""

from core.kinds.training import BEST, LAST, STATE
from core.kinds.training_progress import ValidationLosses
from core.options.training import Amp, ImageCache, Optimizer

__all__ = [
    "BEST",
    "LAST",
    "STATE",
    "Amp",
    "ImageCache",
    "Optimizer",
    "ValidationLosses",
]
