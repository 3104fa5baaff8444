"""Goes through all splits: what is wrong, what is in them, and which pictures can be used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.context import RunContext
from core.dataset import DataSpec, Sample, label_path
from core.errors import shown
from core.media.limits import MAX_PIXELS
from stages.dataset.checking import Checked, check_samples, checks_of
from stages.dataset.findings import Finding, Severity, of_severity
from stages.dataset.picture_cache import PictureCache, picture_cache
from stages.dataset.strays import stray_labels
from stages.dataset.tally import Tally

TRAIN = "train"


@dataclass
class Audit:
    """What was seen.

    Attributes:
        spec: The data.yaml.
        findings: In the order of splits and pictures; those of the whole data set last.
        tallies: Per split, of the pictures without an error.
        kept: Per split, the pictures without an error.
        left_out: Per split, the pictures with one.
        max_pixels: Maximum width x height of a picture.
    """

    spec: DataSpec
    findings: list[Finding] = field(default_factory=list)
    tallies: dict[str, Tally] = field(default_factory=dict)
    kept: dict[str, list[Sample]] = field(default_factory=dict)
    left_out: dict[str, list[Checked]] = field(default_factory=dict)
    max_pixels: int = MAX_PIXELS

    def of(self, severity: Severity) -> list[Finding]:
        """The findings that are so bad."""
        return of_severity(self.findings, severity)


def run_audit(
    spec: DataSpec, splits: Mapping[str, Sequence[Sample]], context: RunContext, max_pixels: int = MAX_PIXELS
) -> Audit:
    """Check every picture and label of ``splits``."""
    audit = Audit(spec, max_pixels=max_pixels)
    seen: dict[bytes, tuple[str, Path]] = {}
    with picture_cache(context.cache_dir, checks_of(max_pixels)) as cache:
        for split, samples in splits.items():
            with context.progress(f"check {split}", len(samples), "images") as progress:
                for checked in _split(audit, split, samples, cache, context.cache_dir):
                    audit.findings += _copies(split, checked, seen)
                    progress.advance()
            audit.findings += _shared_labels(split, samples)
            audit.findings += stray_labels(split, samples, spec.splits[split])
    audit.findings += _unlabelled(audit, splits)
    audit.findings += _unseen_classes(audit)
    return audit


def _split(
    audit: Audit, split: str, samples: Sequence[Sample], cache: PictureCache, cache_dir: Path
) -> Iterator[Checked]:
    """Look at the pictures of one split; sort them, and count what lies in the good ones."""
    tally = audit.tallies[split] = Tally()
    kept = audit.kept[split] = []
    left_out = audit.left_out[split] = []
    for checked in check_samples(samples, split, len(audit.spec.names), cache, cache_dir, max_pixels=audit.max_pixels):
        audit.findings += checked.findings
        if checked.labels is None or of_severity(checked.findings, Severity.error):
            left_out.append(checked)
        else:
            kept.append(checked.sample)
            tally.add(checked.facts, checked.labels, labelled=checked.sample.label is not None)
        yield checked


def _copies(split: str, checked: Checked, seen: dict[bytes, tuple[str, Path]]) -> Iterator[Finding]:
    """The same bytes were seen before; the first place is the one that is named."""
    if not checked.digest:
        return
    path = checked.sample.picture
    first_split, first = seen.setdefault(bytes.fromhex(checked.digest), (split, path))
    if first_split != split:
        where = f"is in '{first_split}' too" + (f", as '{first}'" if first != path else "")
        yield Finding("leaked-picture", split, path, None, f"'{path}' of '{split}' {where}")
    elif first != path:
        yield Finding("repeated-picture", split, path, None, f"'{path}' of '{split}' is the same image as '{first}'")


def _shared_labels(split: str, samples: Sequence[Sample]) -> Iterator[Finding]:
    owners: dict[Path, Path] = {}
    for sample in samples:
        if sample.label and (first := owners.setdefault(sample.label, sample.picture)) != sample.picture:
            message = f"'{sample.picture}' and '{first}' share the label file '{sample.label}'"
            yield Finding("shared-label", split, sample.label, None, message)


def _unlabelled(audit: Audit, splits: Mapping[str, Sequence[Sample]]) -> Iterator[Finding]:
    """No label file anywhere, or a split without an object."""
    if not any(sample.label for samples in splits.values() for sample in samples):
        picture = next(iter(splits.values()))[0].picture
        message = (
            f"no image of '{audit.spec.path}' has a label file: that of '{picture}' would be '{label_path(picture)}'"
        )
        yield Finding("unlabelled", "", None, None, message)
        return
    for split, tally in audit.tallies.items():
        if tally.pictures and not tally.objects:
            picture = audit.kept[split][0].picture
            message = f"split '{split}' has no object: the labels of '{picture}' would be '{label_path(picture)}'"
            yield Finding("unlabelled-split", split, None, None, message)


def _unseen_classes(audit: Audit) -> Iterator[Finding]:
    """Classes without an object to learn from: in the training split, or anywhere where there is none."""
    names = audit.spec.names
    split = TRAIN if TRAIN in audit.tallies else ""
    tallies = [audit.tallies[split]] if split else list(audit.tallies.values())
    seen = {int(number) for tally in tallies for number in set(tally.classes.tolist())}
    for index, name in enumerate(names if seen else ()):
        if index not in seen:
            message = f"class {index} '{name}' has no object in {f'split {shown(split)}' if split else 'any split'}"
            yield Finding("unseen-class", split, None, None, message)
