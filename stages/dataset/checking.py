"""Looks at pictures and their labels, several at a time. Heavy: imports OpenCV."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2

from core.data.dataset import Sample
from core.errors import HooklineError
from core.labels import Labels, check_labels
from core.media.picture import TruncatedError, UnreadableError, decode_checked, read_content
from core.media.segments import UPRIGHT, orientation
from core.process.resources import usable_cores
from core.storage.digest import digest_each
from stages.dataset.findings import AuditFinding
from stages.dataset.image_cache import ImageFacts, ImageFactsCache

VERSION = f"4 OpenCV {cv2.__version__}"
TINY = 10
DEPTH = 8
"""Pictures under way for each thread."""


@dataclass(frozen=True)
class Checked:
    """One picture, looked at.

    Attributes:
        sample: The picture and its label file.
        digest: SHA-256 of the picture, empty where it cannot be read.
        facts: Of the picture.
        labels: The good rows, each once; None where the file cannot be read.
        findings: What is wrong with picture and label.
    """

    sample: Sample
    digest: str
    facts: ImageFacts
    labels: Labels | None
    findings: tuple[AuditFinding, ...]


def checks_of(max_pixels: int) -> str:
    """Return what changes whenever the same file may be judged otherwise."""
    return f"{VERSION} {max_pixels}"


def check_samples(
    samples: Sequence[Sample], split: str, classes: int, cache: ImageFactsCache, cache_dir: Path, *, max_pixels: int
) -> Iterator[Checked]:
    """Look at every picture of a split, in order; only so many are in memory as are under way.

    Args:
        samples: The pictures.
        split: Name of the split, for the findings.
        classes: Number of classes of the data set.
        cache: What is known of pictures by content.
        cache_dir: Where digests of files are remembered.
        max_pixels: Maximum width x height of a picture.
    """
    workers = usable_cores() or 1
    digests = digest_each((sample.image for sample in samples), cache_dir)
    with _pool(workers) as pool:
        waiting: deque[tuple[Future[Checked], bool]] = deque()
        for sample, digest in zip(samples, digests, strict=True):
            known = cache.look_up(digest)
            waiting.append(
                (pool.submit(_check, sample, split, classes, digest, known, max_pixels=max_pixels), known is None)
            )
            if len(waiting) > workers * DEPTH:
                yield _taken(*waiting.popleft(), cache)
        while waiting:
            yield _taken(*waiting.popleft(), cache)


@contextmanager
def _pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads do: OpenCV and hashlib let go of the interpreter. Leaving early drops what is not begun."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="check")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _taken(future: Future[Checked], new: bool, cache: ImageFactsCache) -> Checked:  # noqa: FBT001 - private pair
    checked = future.result()
    if new:
        cache.remember(checked.digest, checked.facts)
    return checked


def _check(
    sample: Sample, split: str, classes: int, digest: str, known: ImageFacts | None, *, max_pixels: int
) -> Checked:
    if known is None:
        digest, facts = inspect_image(sample.image, max_pixels)
    else:
        facts = known
    findings = list(_of_picture(sample, split, facts))
    labels = None
    try:
        labels, bad = check_labels(sample.label, classes)
        findings += [AuditFinding(row.problem.value, split, sample.label, row.line, row.message) for row in bad]
    except HooklineError as error:
        findings.append(AuditFinding("unreadable-label", split, sample.label, None, error.message))
    return Checked(sample, digest, facts, labels, tuple(findings))


def inspect_image(path: Path, max_pixels: int) -> tuple[str, ImageFacts]:
    """Read and decode an image exactly as all later stages do.

    Returns:
        The digest of the bytes that were decoded (a file may change after it was digested), and what they are.
    """
    try:
        content = read_content(path, max_pixels)
    except UnreadableError as error:
        return "", ImageFacts(0, 0, UPRIGHT, "unreadable-picture", str(error))
    return hashlib.sha256(content).hexdigest(), _facts_of(content, max_pixels)


def _facts_of(content: bytes, max_pixels: int) -> ImageFacts:
    try:
        picture, damage = decode_checked(content, max_pixels)
    except TruncatedError as error:
        return ImageFacts(0, 0, UPRIGHT, "truncated-picture", str(error))
    except UnreadableError as error:
        return ImageFacts(0, 0, UPRIGHT, "unreadable-picture", str(error))
    height, width = picture.shape[:2]
    return ImageFacts(width, height, orientation(content), "damaged-picture" if damage else "", damage)


def _of_picture(sample: Sample, split: str, facts: ImageFacts) -> Iterator[AuditFinding]:
    path = sample.image
    if facts.kind:
        message = f"'{path}' is damaged: {facts.reason}" if facts.width else f"cannot read '{path}': {facts.reason}"
        yield AuditFinding(facts.kind, split, path, None, message)
    if facts.width and min(facts.width, facts.height) < TINY:
        message = f"'{path}' is only {facts.width} x {facts.height} pixels"
        yield AuditFinding("tiny-picture", split, path, None, message)
    if facts.orientation != UPRIGHT:
        message = (
            f"'{path}' is turned by its EXIF orientation {facts.orientation}: "
            f"its boxes are taken on the turned image, {facts.width} x {facts.height} pixels"
        )
        yield AuditFinding("turned-picture", split, path, None, message)
    if sample.label is None:
        yield AuditFinding("no-label", split, path, None, f"'{path}' has no label file: it counts as background")
