"""The figures as people know them: a table of classes, and the speed by phase."""

from __future__ import annotations

from core.evaluation.loop import Evaluation
from core.evaluation.scores import ClassScore, Scores

HEADER = ("Class", "Images", "Instances", "P", "R", "mAP50", "mAP50-95")


def class_table(scores: Scores) -> str:
    """Aligned columns: a header, the row ``all``, a row a class that has objects, and what is left out."""
    rows = [HEADER, *map(_row, (scores.all, *scores.classes))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
    lines.append(f"P and R at IoU 0.5 and confidence {scores.confidence:.3f}, where the mean F1 is best")
    if scores.absent:
        lines.append(f"{scores.absent} more classes have no objects here and do not count in the means")
    return "\n".join(lines)


def _row(score: ClassScore) -> tuple[str, ...]:
    figures = (score.precision, score.recall, score.map50, score.map50_95)
    return (score.name, str(score.images), str(score.instances), *(f"{figure:.3f}" for figure in figures))


def speed_line(evaluation: Evaluation) -> str:
    """Milliseconds a picture by phase, and pictures a second of the whole."""
    phases = ", ".join(f"{phase} {value:.1f}" for phase, value in evaluation.milliseconds().items())
    count = len(evaluation.pictures)
    rate = count / evaluation.wall if evaluation.wall else 0.0
    return f"ms a picture: {phases}; {count} pictures in {evaluation.wall:.1f} s ({rate:.1f} pictures/s)"
