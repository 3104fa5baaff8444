"""Audit a data set: check all splits and collect their statistics. Heavy: imports NumPy."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.data.data_yaml import DataSpec
from core.data.dataset import Sample, label_path
from core.errors import shown
from core.kinds.context import RunContext
from core.labels import Labels
from core.media.tolerance import MAX_PIXELS
from stages.dataset.findings import AuditFinding, Severity, of_severity
from stages.dataset.image_cache import ImageFacts, ImageFactsCache, image_facts_cache
from stages.dataset.listing import orphan_labels
from stages.dataset.sample_checks import CheckedSample, check_samples, checks_of


class SplitStatistics:
    """Labels and image sizes of a split, added image by image; it takes 24 bytes per object and 8 per image."""

    def __init__(self) -> None:
        self.no_label = 0
        self.empty_label = 0
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


TRAIN = "train"


@dataclass
class Audit:
    """Result of an audit.

    Attributes:
        spec: The data.yaml.
        findings: Findings in the order of splits and images; those about the whole data set are last.
        statistics: Statistics of the images without errors, per split.
        kept: Images without errors, per split.
        left_out: Images with errors, per split.
        max_pixels: Maximum width x height of an image.
    """

    spec: DataSpec
    findings: list[AuditFinding] = field(default_factory=list)
    statistics: dict[str, SplitStatistics] = field(default_factory=dict)
    kept: dict[str, list[Sample]] = field(default_factory=dict)
    left_out: dict[str, list[CheckedSample]] = field(default_factory=dict)
    max_pixels: int = MAX_PIXELS

    def of(self, severity: Severity) -> list[AuditFinding]:
        """Return the findings of one severity."""
        return of_severity(self.findings, severity)


def run_audit(
    spec: DataSpec, splits: Mapping[str, Sequence[Sample]], context: RunContext, max_pixels: int = MAX_PIXELS
) -> Audit:
    """Check all images and labels of ``splits``."""
    audit = Audit(spec, max_pixels=max_pixels)
    seen: dict[bytes, tuple[str, Path]] = {}
    with image_facts_cache(context.cache_dir, checks_of(max_pixels)) as cache:
        for split, samples in splits.items():
            with context.progress(f"check {split}", len(samples), "images") as progress:
                for checked in _split(audit, split, samples, cache, context.cache_dir):
                    audit.findings += _copies(split, checked, seen)
                    progress.advance()
            audit.findings += _shared_labels(split, samples)
            audit.findings += orphan_labels(split, samples, spec.splits[split])
    audit.findings += _unlabelled(audit, splits)
    audit.findings += _unseen_classes(audit)
    return audit


def _split(
    audit: Audit, split: str, samples: Sequence[Sample], cache: ImageFactsCache, cache_dir: Path
) -> Iterator[CheckedSample]:
    """Check the images of one split, separate those with errors, and collect statistics of the others."""
    stats = audit.statistics[split] = SplitStatistics()
    kept = audit.kept[split] = []
    left_out = audit.left_out[split] = []
    for checked in check_samples(samples, split, len(audit.spec.names), cache, cache_dir, max_pixels=audit.max_pixels):
        audit.findings += checked.findings
        if checked.labels is None or of_severity(checked.findings, Severity.error):
            left_out.append(checked)
        else:
            kept.append(checked.sample)
            stats.add(checked.facts, checked.labels, labelled=checked.sample.label is not None)
        yield checked


def _copies(split: str, checked: CheckedSample, seen: dict[bytes, tuple[str, Path]]) -> Iterator[AuditFinding]:
    """Yield a finding if an image with the same content occurred before; it names the first one."""
    if not checked.digest:
        return
    path = checked.sample.image
    first_split, first = seen.setdefault(bytes.fromhex(checked.digest), (split, path))
    if first_split != split:
        where = f"is also in '{first_split}'" + (f" as '{first}'" if first != path else "")
        yield AuditFinding("leaked-picture", split, path, None, f"'{path}' of '{split}' {where}")
    elif first != path:
        yield AuditFinding(
            "repeated-picture", split, path, None, f"'{path}' of '{split}' is the same image as '{first}'"
        )


def _shared_labels(split: str, samples: Sequence[Sample]) -> Iterator[AuditFinding]:
    owners: dict[Path, Path] = {}
    for sample in samples:
        if sample.label and (first := owners.setdefault(sample.label, sample.image)) != sample.image:
            message = f"'{sample.image}' and '{first}' share the label file '{sample.label}'"
            yield AuditFinding("shared-label", split, sample.label, None, message)


def _unlabelled(audit: Audit, splits: Mapping[str, Sequence[Sample]]) -> Iterator[AuditFinding]:
    """Yield findings for a data set without label files, and for splits without objects."""
    if not any(sample.label for samples in splits.values() for sample in samples):
        picture = next(iter(splits.values()))[0].image
        message = (
            f"no image of '{audit.spec.path}' has a label file; expected e.g. '{label_path(picture)}' for '{picture}'"
        )
        yield AuditFinding("unlabelled", "", None, None, message)
        return
    for split, stats in audit.statistics.items():
        if stats.pictures and not stats.objects:
            picture = audit.kept[split][0].image
            message = f"split '{split}' has no objects; expected e.g. labels in '{label_path(picture)}' for '{picture}'"
            yield AuditFinding("unlabelled-split", split, None, None, message)


def _unseen_classes(audit: Audit) -> Iterator[AuditFinding]:
    """Yield classes without objects in the training split, or in any split if there is no training split."""
    names = audit.spec.names
    split = TRAIN if TRAIN in audit.statistics else ""
    statistics = [audit.statistics[split]] if split else list(audit.statistics.values())
    seen = {int(number) for stats in statistics for number in set(stats.classes.tolist())}
    for index, name in enumerate(names if seen else ()):
        if index not in seen:
            message = f"class {index} '{name}' has no objects in {f'split {shown(split)}' if split else 'any split'}"
            yield AuditFinding("unseen-class", split, None, None, message)
