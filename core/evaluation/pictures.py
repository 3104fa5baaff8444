"""Everything of an evaluation that is made to be looked at. Heavy: imports Matplotlib and OpenCV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.dataset import Sample
from core.evaluation.charts import draw_curves
from core.evaluation.confusion import CONF, IOU, confusion_matrix
from core.evaluation.confusion_chart import draw_confusion
from core.evaluation.curves import Curves
from core.evaluation.loop import Seen
from core.evaluation.pages import draw_pages
from core.labels import Labels


def draw_evaluation(
    folder: Path,
    *,
    curves: Curves,
    samples: Sequence[Sample],
    labels: Sequence[Labels],
    seen: Sequence[Seen],
    names: Sequence[str],
    only: Sequence[int] = (),
    subject: Sequence[str] = (),
) -> list[Path]:
    """Write PR_curve, P_curve, R_curve, F1_curve and confusion_matrix as PNG, and val_predictions pages as JPEG.

    Args:
        folder: Where they go.
        curves: :attr:`core.evaluation.scores.Scores.curves`.
        samples, labels: All of the split.
        seen: :attr:`core.evaluation.loop.Evaluation.pictures`.
        names: Class names.
        only: Only these class ids count; all where empty.
        subject: Model and split, which the header of each chart states.

    Returns:
        The files, in this order.
    """
    chosen = sorted(only) or list(range(len(names)))
    matrix = confusion_matrix(labels, seen, len(names), only=only)
    matrix = matrix[[*chosen, len(names)]][:, [*chosen, len(names)]]
    facts = [*subject, f"{len(seen)} image{'' if len(seen) == 1 else 's'}"]
    thresholds = [f"confidence ≥ {CONF:g}", f"IoU > {IOU:g}"]
    paths = draw_curves(curves, folder, facts)
    chosen_names = [names[index] for index in chosen]
    target = folder / "confusion_matrix.png"
    paths.append(draw_confusion(matrix, chosen, chosen_names, target, [*facts, *thresholds]))
    return [*paths, *draw_pages(samples, labels, seen, names, folder)]
