"""Statistics of the labels and images of one split. Heavy: imports NumPy."""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

from core.labels import Labels, distinct_regions
from stages.dataset.image_cache import ImageFacts


class SplitStatistics:
    """Labels and image sizes of a split, added image by image; it takes 24 bytes per object and 8 per image.

    Ignore regions are no objects; they are counted only.

    Attributes:
        no_label: Number of images without a label file.
        empty_label: Number of images with a label file without objects.
        regions: Number of ignore regions.
    """

    def __init__(self) -> None:
        self.no_label = 0
        self.empty_label = 0
        self.regions = 0
        self._classes = array("i")
        self._owners = array("i")
        self._boxes = array("f")
        self._sizes = array("i")

    def add(self, facts: ImageFacts, labels: Labels, *, labelled: bool) -> None:
        """Add a usable image; ``labelled``: it has a label file, which may be empty."""
        number = self.pictures
        self._sizes.extend((facts.width, facts.height))
        if not labelled:
            self.no_label += 1
        elif not len(labels):
            self.empty_label += 1
        if len(labels.regions):
            self.regions += len(distinct_regions(labels))
        self._classes.extend(labels.classes.tolist())
        self._owners.extend([number] * len(labels))
        self._boxes.extend(labels.boxes.ravel().tolist())

    @property
    def pictures(self) -> int:
        """Number of images."""
        return len(self._sizes) // 2

    @property
    def objects(self) -> int:
        """Number of objects."""
        return len(self._classes)

    @property
    def classes(self) -> NDArray[np.int32]:
        """Class of each object, int32 [n]."""
        return np.array(self._classes, np.int32)

    @property
    def boxes(self) -> NDArray[np.float32]:
        """Centre x, centre y, width, height of each object in fractions of its image, float32 [n, 4]."""
        return np.array(self._boxes, np.float32).reshape(-1, 4)

    @property
    def owners(self) -> NDArray[np.int64]:
        """Index of the image of each object, int64 [n]."""
        return np.array(self._owners, np.int64)

    @property
    def sizes(self) -> NDArray[np.int32]:
        """Width and height of each image in pixels, int32 [images, 2]."""
        return np.array(self._sizes, np.int32).reshape(-1, 2)

    @property
    def pixels(self) -> NDArray[np.float32]:
        """Width and height of each object in pixels, float32 [n, 2]."""
        return np.asarray(self.boxes[:, 2:] * self.sizes[self.owners], np.float32)

    def class_counts(self, count: int) -> NDArray[np.int64]:
        """Return the number of objects per class, int64 [count]."""
        return np.bincount(self.classes, minlength=count)

    def class_pictures(self, count: int) -> NDArray[np.int64]:
        """Return the number of images with objects of each class, int64 [count]."""
        pairs = np.unique(self.owners * count + self.classes)
        return np.bincount(pairs % count, minlength=count)
