"""Ignore regions: classes of label files that mark areas left out of the objectness loss and the evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count

ALL_CLASSES = -1
"""The class id of a region that applies to every class."""


@dataclass(frozen=True)
class LabelClasses:
    """The classes in label files of a data set with ignore regions. A model has only the others.

    Attributes:
        written: All class names, index = class id in the label files.
        ignore: Class of regions -> names of the classes that are ignored in its boxes; empty for all classes.
    """

    written: tuple[str, ...]
    ignore: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Class names of the model, in the order of :attr:`written`."""
        return tuple(name for name in self.written if name not in self.ignore)

    @cached_property
    def ids(self) -> tuple[int | None, ...]:
        """Class id of the model by class id in the label files; None for a class of regions."""
        numbers = count()
        return tuple(None if name in self.ignore else next(numbers) for name in self.written)

    @cached_property
    def _ignored(self) -> Mapping[str, Sequence[int]]:
        """Class ids of the model by class of regions."""
        numbers: dict[str, list[int]] = {}
        for number, name in enumerate(self.names):
            numbers.setdefault(name, []).append(number)
        return {
            region: [number for name in names for number in numbers[name]] or [ALL_CLASSES]
            for region, names in self.ignore.items()
        }

    def ignored_by(self, written: int) -> Sequence[int]:
        """Return the class ids of the model to ignore in a region, or :data:`ALL_CLASSES`.

        Args:
            written: Class id in the label files.
        """
        return self._ignored[self.written[written]]
