"""Agreement of the boxes of two models on the same images, without labels; the table of a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.artifacts import AnyModel
from core.detections import Detections
from core.tables import aligned, title

IOU = 0.5


@dataclass
class Agreement:
    """Sums over images.

    Attributes:
        first, second: Number of boxes of each model.
        pairs: Number of boxes that both models found.
        overlap: Sum of the IoU of the pairs.
        score_difference: Sum of \\|score of the first - score of the second\\| over the pairs.
    """

    first: int = 0
    second: int = 0
    pairs: int = 0
    overlap: float = 0.0
    score_difference: float = 0.0

    @property
    def f1(self) -> float:
        """Agreement of the boxes, 0..1."""
        boxes = self.first + self.second
        return 2 * self.pairs / boxes if boxes else 1.0

    def add(self, first: Detections, second: Detections) -> None:
        """Add the boxes of an image."""
        pairs = match(first, second)
        self.first += len(first)
        self.second += len(second)
        self.pairs += len(pairs)
        for one, other, overlap in pairs:
            self.overlap += overlap
            self.score_difference += abs(float(first.scores[one]) - float(second.scores[other]))

    def values(self) -> dict[str, float]:
        """Return the figures by name; means over pairs only if there are pairs."""
        means = {"mean_iou": self.overlap, "mean_score_difference": self.score_difference}
        return {
            "f1": self.f1,
            "boxes": self.first,
            "reference_boxes": self.second,
            "matched": self.pairs,
            "only_here": self.first - self.pairs,
            "only_reference": self.second - self.pairs,
            **({name: total / self.pairs for name, total in means.items()} if self.pairs else {}),
        }


def match(first: Detections, second: Detections, threshold: float = IOU) -> list[tuple[int, int, float]]:
    """Return pairs of (index in ``first``, index in ``second``, IoU), one-to-one, of the same class."""
    overlaps = pairwise_iou(first.boxes, second.boxes)
    overlaps[first.classes[:, None] != second.classes[None, :]] = 0
    pairs = []
    for one in np.argsort(-first.scores, kind="stable").tolist():
        if not len(second):
            break
        other = int(overlaps[one].argmax())
        overlap = float(overlaps[one, other])
        if overlap >= threshold:
            pairs.append((one, other, overlap))
            overlaps[:, other] = 0
    return pairs


def pairwise_iou(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the IoU, float64 [n, m], of boxes x1, y1, x2, y2; 1 for equal boxes, also without area."""
    one, two = first.astype(np.float64)[:, None], second.astype(np.float64)[None, :]
    size = np.minimum(one[..., 2:], two[..., 2:]) - np.maximum(one[..., :2], two[..., :2])
    common = np.prod(np.maximum(size, 0), axis=-1)
    areas = np.prod(one[..., 2:] - one[..., :2], axis=-1) + np.prod(two[..., 2:] - two[..., :2], axis=-1)
    union = areas - common
    equal = (one == two).all(axis=-1)
    ratio: NDArray[np.float64] = np.divide(common, union, out=equal.astype(np.float64), where=union > 0)
    return ratio


def summary_lines(engine: AnyModel, reference: AnyModel, values: Mapping[str, float]) -> list[str]:
    """Return a table of latency, and lines on the boxes."""
    rows = [
        ("", "median ms", "p95 ms", "boxes"),
        (title(engine), f"{values['median_ms']:.1f}", f"{values['p95_ms']:.1f}", f"{values['boxes']:.0f}"),
        (
            f"{title(reference)} (reference)",
            f"{values['reference_median_ms']:.1f}",
            f"{values['reference_p95_ms']:.1f}",
            f"{values['reference_boxes']:.0f}",
        ),
    ]
    both, here, there = (f"{values[name]:.0f}" for name in ("matched", "only_here", "only_reference"))
    lines = [
        "\n".join(aligned(rows)),
        f"latency ratio {values['latency_ratio']:.2f}",
        f"boxes at IoU 0.5: F1 {values['f1']:.3f}; {both} in both, {here} only here, {there} only in the reference",
    ]
    if values["matched"]:
        score = values["mean_score_difference"]
        lines.append(f"boxes in both: mean IoU {values['mean_iou']:.3f}, mean score difference {score:.3f}")
    return lines
