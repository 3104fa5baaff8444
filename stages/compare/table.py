"""How two models compare, in words and figures."""

from __future__ import annotations

from collections.abc import Mapping

from core.artifacts import AnyModel
from core.columns import aligned
from core.titles import title


def summary_lines(engine: AnyModel, reference: AnyModel, values: Mapping[str, float]) -> list[str]:
    """Return a small table of latency, and lines on the boxes."""
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
