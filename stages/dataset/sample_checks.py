"""Check images and labels in parallel. Heavy: imports OpenCV."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2

from core.data.dataset import Sample
from core.errors import HooklineError, with_article
from core.labels import Labels, check_labels
from core.media.ahead import in_order
from core.media.choices import Decoding
from core.media.picture import TruncatedError, UnreadableError, decode_checked, read_content
from core.media.pixel_notes import OF_ALPHA
from core.media.segments import UPRIGHT, orientation
from core.process.resources import usable_cores
from core.process.versions import installed
from core.storage.digest import digest_each
from stages.dataset.box_checks import box_findings
from stages.dataset.file_format import format_of, is_misnamed, layout_of
from stages.dataset.findings import AuditFinding
from stages.dataset.image_cache import ImageFacts, ImageFactsCache
from stages.dataset.similarity import perceptual_hash

VERSION = f"5 OpenCV {cv2.__version__}"
"""Version of the checks; increase the number when the same image can get other facts."""
MIN_SIDE = 10
"""Shortest side in pixels that is not reported."""


@dataclass(frozen=True)
class Checks:
    """What images and labels are checked against.

    Attributes:
        names: Class names of the data set.
        decoding: How images are decoded.
        imgsz: Height and width of the input of the network in pixels.
        cache_dir: Cache folder for digests of files.
    """

    names: Sequence[str]
    decoding: Decoding
    imgsz: tuple[int, int]
    cache_dir: Path


@dataclass(frozen=True)
class CheckedSample:
    """One checked image with its labels.

    Attributes:
        sample: The image and its label file.
        digest: SHA-256 of the image, empty if it is unreadable.
        facts: Facts of the image.
        labels: Valid rows without duplicates; None if the label file is unreadable.
        findings: Findings about the image and its labels.
    """

    sample: Sample
    digest: str
    facts: ImageFacts
    labels: Labels | None
    findings: tuple[AuditFinding, ...]


def checks_of(decoding: Decoding) -> str:
    """Return a text that changes whenever the same image can get other facts."""
    optional = installed(("pillow-heif",)).values()
    return " ".join([VERSION, str(decoding.max_pixels), str(decoding.depth), *optional])


def check_samples(
    samples: Sequence[Sample], split: str, checks: Checks, cache: ImageFactsCache
) -> Iterator[CheckedSample]:
    """Yield the checked images of a split in order; memory does not depend on the size of the split.

    Args:
        samples: The images and label files.
        split: Name of the split, for the findings.
        checks: What to check against.
        cache: Facts of known images.
    """
    digests = digest_each((sample.image for sample in samples), checks.cache_dir)
    known = ((sample, digest, cache.look_up(digest)) for sample, digest in zip(samples, digests, strict=True))
    work = partial(_check, split, checks)
    # OpenCV and hashlib release the GIL.
    with closing(in_order(work, known, usable_cores() or 1)) as results:
        for checked, new in results:
            if new:
                cache.remember(checked.digest, checked.facts)
            yield checked


def _check(split: str, checks: Checks, item: tuple[Sample, str, ImageFacts | None]) -> tuple[CheckedSample, bool]:
    """Check one image with its digest and its facts in the cache; return it, and whether the facts are new."""
    sample, digest, known = item
    if known is None:
        digest, facts = inspect_image(sample.image, checks.decoding)
    else:
        facts = known
    findings = list(_image_findings(sample, split, facts))
    labels = None
    try:
        size = (facts.height, facts.width) if facts.width else None
        labels, bad = check_labels(sample.label, len(checks.names), lambda: size, sample.classes)
        findings += [AuditFinding(row.problem.value, split, sample.label, row.line, row.message) for row in bad]
        if size:
            found = box_findings(labels, checks.names, (facts.height, facts.width), checks.imgsz)
            findings += [
                AuditFinding(kind, split, sample.label, None, f"'{sample.label}' has {text}") for kind, text in found
            ]
    except HooklineError as error:
        findings.append(AuditFinding("unreadable-label", split, sample.label, None, error.message))
    return CheckedSample(sample, digest, facts, labels, tuple(findings)), known is None


def inspect_image(path: Path, decoding: Decoding) -> tuple[str, ImageFacts]:
    """Read and decode an image as all other stages do.

    Returns:
        SHA-256 of the decoded bytes, as the file may have changed since it was digested, and the facts.
    """
    try:
        content = read_content(path, decoding.max_pixels)
    except UnreadableError as error:
        return "", ImageFacts(0, 0, UPRIGHT, "unreadable-picture", str(error))
    return hashlib.sha256(content).hexdigest(), _facts_of(content, decoding)


def _facts_of(content: bytes, decoding: Decoding) -> ImageFacts:
    try:
        decoded = decode_checked(content, decoding.max_pixels, decoding.depth)
    except TruncatedError as error:
        return ImageFacts(0, 0, UPRIGHT, "truncated-picture", str(error))
    except UnreadableError as error:
        return ImageFacts(0, 0, UPRIGHT, "unreadable-picture", str(error))
    height, width = decoded.pixels.shape[:2]
    damage, values = decoded.damage, decoded.depth
    facts = ImageFacts(
        width,
        height,
        orientation(content),
        "damaged-picture" if damage else "",
        damage,
        format_of(content),
        layout_of(content),
        perceptual_hash(decoded.pixels),
        alpha=decoded.alpha,
    )
    if not values:
        return facts
    return replace(facts, depth=str(values), white=values.white, dark=values.dark, clipped=values.clipped)


def _image_findings(sample: Sample, split: str, facts: ImageFacts) -> Iterator[AuditFinding]:
    path = sample.image
    if facts.kind:
        message = f"'{path}' is damaged: {facts.reason}" if facts.width else f"cannot read '{path}': {facts.reason}"
        yield AuditFinding(facts.kind, split, path, None, message)
    if facts.width and min(facts.width, facts.height) < MIN_SIDE:
        message = f"'{path}' is only {facts.width} x {facts.height} pixels"
        yield AuditFinding("tiny-picture", split, path, None, message)
    if facts.orientation != UPRIGHT:
        message = (
            f"'{path}' has EXIF orientation {facts.orientation}: "
            f"its boxes refer to the rotated image of {facts.width} x {facts.height} pixels"
        )
        yield AuditFinding("turned-picture", split, path, None, message)
    if is_misnamed(path, facts.form):
        message = f"'{path}' is {with_article(facts.form)} file; other tools may not read it by its suffix"
        yield AuditFinding("wrong-suffix-image", split, path, None, message)
    if facts.layout:
        message = f"'{path}' is stored as {facts.layout} and decoded to three channels"
        yield AuditFinding("odd-channels-image", split, path, None, message)
    if facts.depth:
        yield AuditFinding("deep-image", split, path, None, f"'{path}' has {facts.depth}")
    if facts.alpha:
        yield AuditFinding("alpha-image", split, path, None, f"'{path}' has an alpha channel: {OF_ALPHA[facts.alpha]}")
    if sample.label is None:
        yield AuditFinding("no-label", split, path, None, f"'{path}' has no label file and counts as background")
