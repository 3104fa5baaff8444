"""Values that options of a training have in every model family."""

from core.training_choices import Amp, Cache, Optimizer

__all__ = [
    "Amp",
    "Cache",
    "Optimizer",
]
