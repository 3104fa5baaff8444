"""Ignore regions: classes of label files that mark areas left out of the objectness loss and the evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

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
        return tuple(None if name in self.ignore else self.names.index(name) for name in self.written)

    def ignored_by(self, written: int) -> Sequence[int]:
        """Return the class ids of the model to ignore in a region, or :data:`ALL_CLASSES`.

        Args:
            written: Class id in the label files.
        """
        names = self.ignore[self.written[written]]
        return [self.names.index(name) for name in names] or [ALL_CLASSES]
