"""Counts what lies in a split: pictures, objects, and the shapes of boxes. Heavy: imports NumPy."""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

from core.labels import Labels
from stages.dataset.picture_cache import PictureFacts


class Tally:
    """Grows by one picture at a time; 24 bytes an object and 8 a picture."""

    def __init__(self) -> None:
        self.no_label = 0
        self.empty_label = 0
        self._classes = array("i")
        self._owners = array("i")
        self._boxes = array("f")
        self._sizes = array("i")

    def add(self, facts: PictureFacts, labels: Labels, *, labelled: bool) -> None:
        """Count one good picture; ``labelled``: it has a label file, which may be empty."""
        number = self.pictures
        self._sizes.extend((facts.width, facts.height))
        if not labelled:
            self.no_label += 1
        elif not len(labels):
            self.empty_label += 1
        self._classes.extend(labels.classes.tolist())
        self._owners.extend([number] * len(labels))
        self._boxes.extend(labels.boxes.ravel().tolist())

    @property
    def pictures(self) -> int:
        """How many were added."""
        return len(self._sizes) // 2

    @property
    def objects(self) -> int:
        """How many objects they have."""
        return len(self._classes)

    @property
    def classes(self) -> NDArray[np.int32]:
        """Class of each object, int32 [n]."""
        return np.array(self._classes, np.int32)

    @property
    def boxes(self) -> NDArray[np.float32]:
        """Centre x, centre y, width, height of each object in fractions of its picture, float32 [n, 4]."""
        return np.array(self._boxes, np.float32).reshape(-1, 4)

    @property
    def owners(self) -> NDArray[np.int64]:
        """Number of the picture of each object, int64 [n]."""
        return np.array(self._owners, np.int64)

    @property
    def sizes(self) -> NDArray[np.int32]:
        """Width and height of each picture in pixels, int32 [pictures, 2]."""
        return np.array(self._sizes, np.int32).reshape(-1, 2)

    @property
    def pixels(self) -> NDArray[np.float32]:
        """Width and height of each object in pixels, float32 [n, 2]."""
        return np.asarray(self.boxes[:, 2:] * self.sizes[self.owners], np.float32)

    def class_counts(self, count: int) -> NDArray[np.int64]:
        """Objects of each class, int64 [count]."""
        return np.bincount(self.classes, minlength=count)

    def class_pictures(self, count: int) -> NDArray[np.int64]:
        """Pictures with an object of each class, int64 [count]."""
        pairs = np.unique(self.owners * count + self.classes)
        return np.bincount(pairs % count, minlength=count)
