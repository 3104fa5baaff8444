"""Checks of the classes of a data set: without objects, with few objects, and with other shares in other splits.

Heavy: imports NumPy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from core.errors import counted
from stages.dataset.findings import AuditFinding
from stages.dataset.split_statistics import SplitStatistics

TRAIN = "train"
MIN_OBJECTS = 10
"""Number of objects of a class in the training split that is not reported; also the mean number per class below which
the check is left out."""
MIN_IMAGES, MIN_EXPECTED = 10, 10
"""Images with objects of a split, and objects of a class that it would have with equal shares, for a comparison."""
MIN_DEVIATION, MIN_RATIO = 4.0, 2.0
"""Difference of two shares in standard errors, and their ratio, from which they are reported."""


def class_findings(names: Sequence[str], statistics: Mapping[str, SplitStatistics]) -> Iterator[AuditFinding]:
    """Yield the findings about the classes of a data set."""
    counts = {split: stats.class_counts(len(names)) for split, stats in statistics.items()}
    total = np.sum(list(counts.values()), axis=0)
    split = TRAIN if TRAIN in counts else ""
    trained = counts[split] if split else total
    if not trained.any():  # reported as unlabelled
        return
    for index, name in enumerate(names):
        if trained[index]:
            continue
        if total[index]:
            others = ", ".join(f"{values[index]:,} in '{other}'" for other, values in counts.items() if values[index])
            message = f"class {index} '{name}' has no objects in '{split}', but {others}"
            yield AuditFinding("untrained-class", split, None, None, message)
        else:
            message = f"class {index} '{name}' has no objects in any split"
            yield AuditFinding("unseen-class", split, None, None, message)
    yield from _few_objects(names, trained, split)
    if split:
        for other in (name for name in counts if name != split):
            yield from _skewed(names, statistics[split], statistics[other], other)


def _few_objects(names: Sequence[str], counts: NDArray[np.int64], split: str) -> Iterator[AuditFinding]:
    """Yield classes with few objects, unless the data set has few objects of all classes."""
    if counts.sum() < MIN_OBJECTS * np.count_nonzero(counts):
        return
    for index in np.flatnonzero((counts > 0) & (counts < MIN_OBJECTS)).tolist():
        where = f"'{split}'" if split else "all splits"
        message = f"class {index} '{names[index]}' has only {counted(int(counts[index]), 'object')} in {where}"
        yield AuditFinding("few-objects", split, None, None, message)


def _skewed(names: Sequence[str], train: SplitStatistics, other: SplitStatistics, split: str) -> Iterator[AuditFinding]:
    """Yield the classes whose share of the objects differs between the training split and another one.

    The standard errors are those of ratios over images, as the objects of one image depend on each other.
    """
    if min(len(np.unique(stats.owners)) for stats in (train, other)) < MIN_IMAGES:
        return
    (first, first_error), (second, second_error) = (_shares(stats, len(names)) for stats in (train, other))
    pooled = (train.class_counts(len(names)) + other.class_counts(len(names))) / (train.objects + other.objects)
    expected = pooled * min(train.objects, other.objects)
    error = np.hypot(first_error, second_error)
    skewed = (expected >= MIN_EXPECTED) & (abs(first - second) >= MIN_DEVIATION * error)
    skewed &= np.maximum(first, second) >= MIN_RATIO * np.minimum(first, second)
    skewed &= first > 0  # otherwise reported as untrained-class
    for index in np.flatnonzero(skewed).tolist():
        message = (
            f"class {index} '{names[index]}' has {first[index]:.1%} of the objects in '{TRAIN}', "
            f"but {second[index]:.1%} in '{split}'"
        )
        yield AuditFinding("class-skew", split, None, None, message)


def _shares(stats: SplitStatistics, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the share of each class in the objects of a split, and its standard error over images, float64 [count]."""
    totals = np.bincount(stats.owners, minlength=stats.pictures).astype(np.float64)
    pairs, numbers = np.unique(stats.owners * count + stats.classes, return_counts=True)
    owners, classes = pairs // count, pairs % count
    shares = stats.class_counts(count) / stats.objects
    squares = np.bincount(classes, numbers.astype(np.float64) ** 2, count)
    mixed = np.bincount(classes, numbers * totals[owners], count)
    variance = squares - 2 * shares * mixed + shares**2 * (totals**2).sum()
    return shares, np.sqrt(np.maximum(variance, 0)) / stats.objects
