"""Audit a data set: check all splits and collect their statistics. Heavy: imports NumPy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.data.data_yaml import DataSpec
from core.data.dataset import Sample, label_path
from core.kinds.context import RunContext
from core.media.choices import DEFAULT_DECODING, Decoding
from core.media.pixel_notes import PixelNotes
from core.options.sizes import DEFAULT
from stages.dataset.class_checks import class_findings
from stages.dataset.findings import AuditFinding, Severity, of_severity
from stages.dataset.image_cache import ImageFactsCache, image_facts_cache
from stages.dataset.listing import orphan_labels
from stages.dataset.sample_checks import CheckedSample, Checks, check_samples, checks_of
from stages.dataset.similarity import MAX_BITS, Hashes
from stages.dataset.split_statistics import SplitStatistics


@dataclass
class Audit:
    """Result of an audit.

    Attributes:
        spec: The data.yaml.
        findings: Findings in the order of splits and images; those about the whole data set are last.
        statistics: Statistics of the images without errors, per split.
        kept: Images without errors, per split.
        left_out: Images with errors, per split.
        pixels: Alpha channels and bit depths of the images without errors.
        decoding: How images are decoded.
    """

    spec: DataSpec
    findings: list[AuditFinding] = field(default_factory=list)
    statistics: dict[str, SplitStatistics] = field(default_factory=dict)
    kept: dict[str, list[Sample]] = field(default_factory=dict)
    left_out: dict[str, list[CheckedSample]] = field(default_factory=dict)
    pixels: PixelNotes = field(default_factory=PixelNotes)
    decoding: Decoding = DEFAULT_DECODING

    def of(self, severity: Severity) -> list[AuditFinding]:
        """Return the findings of one severity."""
        return of_severity(self.findings, severity)


def run_audit(
    spec: DataSpec,
    splits: Mapping[str, Sequence[Sample]],
    context: RunContext,
    decoding: Decoding = DEFAULT_DECODING,
    imgsz: tuple[int, int] = (DEFAULT, DEFAULT),
) -> Audit:
    """Check all images and labels of ``splits``.

    Args:
        spec: The data.yaml.
        splits: Images and label files per split.
        context: The context of the stage.
        decoding: How images are decoded.
        imgsz: Height and width of the input of the network in pixels.
    """
    audit = Audit(spec, decoding=decoding)
    checks = Checks(spec.names, decoding, imgsz, context.cache_dir)
    hashes = Hashes()
    seen: dict[bytes, tuple[str, Path]] = {}
    with image_facts_cache(context.cache_dir, checks_of(decoding)) as cache:
        for split, samples in splits.items():
            with context.progress(f"check {split}", len(samples), "images") as progress:
                for checked in _split(audit, split, samples, checks, cache):
                    copies = list(_copies(split, checked, seen))
                    audit.findings += copies
                    if not copies:
                        hashes.add(split, checked.sample.image, checked.facts.similarity)
                    progress.advance()
            audit.findings += _shared_labels(split, samples)
            audit.findings += orphan_labels(split, samples, spec.splits[split])
    audit.findings += _near_copies(hashes)
    audit.findings += _unlabelled(audit, splits)
    audit.findings += class_findings(spec.names, audit.statistics)
    return audit


def _split(
    audit: Audit, split: str, samples: Sequence[Sample], checks: Checks, cache: ImageFactsCache
) -> Iterator[CheckedSample]:
    """Check the images of one split, separate those with errors, and collect statistics of the others."""
    stats = audit.statistics[split] = SplitStatistics()
    kept = audit.kept[split] = []
    left_out = audit.left_out[split] = []
    for checked in check_samples(samples, split, checks, cache):
        audit.findings += checked.findings
        if checked.labels is None or of_severity(checked.findings, Severity.error):
            left_out.append(checked)
        else:
            kept.append(checked.sample)
            facts = checked.facts
            audit.pixels.add(facts.alpha, facts if facts.depth else None)
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


def _near_copies(hashes: Hashes) -> Iterator[AuditFinding]:
    """Yield a finding per image that is nearly the same as one of an earlier split, e.g. encoded again or resized."""
    for item in hashes.similar():
        message = (
            f"'{item.path}' of '{item.split}' is nearly the same as '{item.first}' of '{item.first_split}' "
            f"({item.distance} of {MAX_BITS} bits differ)"
        )
        yield AuditFinding("near-leaked-image", item.split, item.path, None, message)


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
