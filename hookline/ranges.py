"""Ranges of options, declared in the annotation of a field. The plan refuses values out of range.

Example::

    @dataclass
    class BlurConfig:
        rounds: Positive = 3
        strength: Annotated[float, Range(0, 10)] = 1.0
"""

from core.options.ranges import BatchSize, Fraction, NonNegative, NonNegativeFloat, Positive, PositiveFloat, Range

__all__ = [
    "BatchSize",
    "Fraction",
    "NonNegative",
    "NonNegativeFloat",
    "Positive",
    "PositiveFloat",
    "Range",
]
