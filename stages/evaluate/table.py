"""The cost of the decode as a table, and the speed by phase."""

from __future__ import annotations

from core.columns import aligned
from core.errors import counted
from core.evaluation.loop import Evaluation
from core.evaluation.scores import Scores
from stages.evaluate.decode_cost import Cost

DECODES = {"one_class": "one class per box", "both": "both, as in the engine"}


def cost_table(cost: Cost, engine: Scores) -> str:
    """What each part of the decode costs, and next to it what the engine reaches."""
    rows: list[tuple[str, ...]] = [("", "mAP50", "lost", "mAP50-95", "lost")]
    rows.append(("every box, every class", f"{cost.map50:.3f}", "", f"{cost.map50_95:.3f}", ""))
    titles = {"threshold": f"boxes below {cost.threshold:g} dropped", **DECODES}
    found = [(titles[part.decode.name], part.map50, part.map50_95) for part in cost.parts]
    for title, *left in (*found, ("the engine itself", engine.stats["map50"], engine.stats["map50_95"])):
        pairs = zip(left, (cost.map50, cost.map50_95), strict=True)
        rows.append((title, *(_figure(number) for value, full in pairs for number in (value, full - value))))
    lines = [
        f"What the engine's decode costs, on the same {counted(cost.images, 'image')} at confidence {cost.conf:g}:",
        f"(measured on the {cost.precision} model before the graft, opened by {cost.runtime})",
        *aligned(rows),
    ]
    lines += [
        f"{titles[part.decode.name]}: class '{part.worst}' loses most, {part.worst_lost:.3f} of its AP50"
        for part in cost.parts[:2]
        if part.worst
    ]
    return "\n".join(lines)


def speed_lines(evaluation: Evaluation) -> str:
    """Return milliseconds per image by phase, and images per second of the whole."""
    phases = ", ".join(f"{phase} {value:.1f}" for phase, value in evaluation.milliseconds().items())
    count = len(evaluation.pictures)
    rate = count / evaluation.wall if evaluation.wall else 0.0
    return f"ms per image: {phases}\n{counted(count, 'image')} in {evaluation.wall:.1f} s ({rate:.1f} images/s)"


def _figure(number: float) -> str:
    """Return a number with three digits; none of them is ``-0.000``."""
    return f"{round(number, 3) + 0.0:.3f}"
