"""How two models compare, in words and figures."""

from __future__ import annotations

from collections.abc import Mapping

from core.artifacts import AnyModel
from core.titles import title


def summary_lines(engine: AnyModel, reference: AnyModel, values: Mapping[str, float]) -> list[str]:
    """A small table of latency, and a line on the boxes."""
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
    width = max(len(row[0]) for row in rows)
    table = "\n".join(row[0].ljust(width) + "".join(cell.rjust(11) for cell in row[1:]) for row in rows)
    agree = (
        f"latency ratio {values['latency_ratio']:.2f}; boxes agree with F1 {values['f1']:.3f} at IoU 0.5 "
        f"({values['matched']:.0f} in both, {values['only_here']:.0f} only here, "
        f"{values['only_reference']:.0f} only in the reference)"
    )
    if values["matched"]:
        agree += f", mean IoU {values['mean_iou']:.3f}, mean score difference {values['mean_score_difference']:.3f}"
    return [table, agree]
