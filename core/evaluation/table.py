"""The scores of an evaluation as a table."""

from __future__ import annotations

from core.columns import aligned
from core.errors import counted
from core.evaluation.scores import ClassScore, Scores

HEADER = ("Class", "Images", "Instances", "P", "R", "mAP50", "mAP50-95")


def class_table(scores: Scores) -> str:
    """Aligned columns: a header, the row ``all``, a row per class that has objects, and what is left out."""
    lines = aligned([HEADER, *map(_row, (scores.all, *scores.classes))])
    lines.append(f"P and R at IoU 0.5 and confidence {scores.confidence:.3f}, where the mean F1 is best")
    if scores.absent:
        lines.append(f"{counted(scores.absent, 'more class')} without objects, not in the means")
    return "\n".join(lines)


def _row(score: ClassScore) -> tuple[str, ...]:
    figures = (score.precision, score.recall, score.map50, score.map50_95)
    return (score.name, str(score.images), str(score.instances), *(f"{figure:.3f}" for figure in figures))
