"""Everything of an evaluation that is made to be looked at. Heavy: imports Matplotlib and OpenCV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.dataset import Sample
from core.evaluation.charts import draw_confusion, draw_curves
from core.evaluation.confusion import confusion_matrix
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
) -> list[Path]:
    """Write PR_curve, P_curve, R_curve, F1_curve and confusion_matrix as PNG, and val_predictions pages as JPEG.

    Args:
        folder: Where they go.
        curves: :attr:`core.evaluation.scores.Scores.curves`.
        samples, labels: All of the split.
        seen: :attr:`core.evaluation.loop.Evaluation.pictures`.
        names: Class names.
        only: Only these class ids count; all where empty.

    Returns:
        The files, in this order.
    """
    chosen = sorted(only) or list(range(len(names)))
    matrix = confusion_matrix(labels, seen, len(names), only=only)
    matrix = matrix[[*chosen, len(names)]][:, [*chosen, len(names)]]
    paths = draw_curves(curves, folder)
    paths.append(draw_confusion(matrix, [names[index] for index in chosen], folder / "confusion_matrix.png"))
    return [*paths, *draw_pages(samples, labels, seen, names, folder)]
