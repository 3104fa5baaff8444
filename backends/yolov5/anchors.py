"""What ``ModelFacts.head`` says of a YOLOv5: ``{"anchors": [[w0, h0, w1, h1, ...], ...]}``, small stride first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from core.errors import HooklineError, shown
from core.model_facts import ModelFacts
from core.model_limits import MAX_ANCHORS, MAX_SIDE

ANCHORS = "anchors"
HEADS, CLASSIC = "heads", "classic"
LAYOUTS = (HEADS, CLASSIC)


def anchors_of(facts: ModelFacts) -> Sequence[Sequence[float]]:
    """Return the anchors of each level in pixels of the network input; empty for a file that does not say them."""
    anchors: Sequence[Sequence[float]] = facts.head.get(ANCHORS, ())
    return anchors


def check_head(facts: ModelFacts) -> Iterator[HooklineError]:
    """Yield why the facts of a file cannot be those of a YOLOv5."""
    head = dict(facts.head)
    anchors = head.pop(ANCHORS, [])
    for key, value in head.items():
        yield _problem(facts, key, "only anchors", shown(value))
    if anchors and (expected := _expected(anchors, len(facts.strides))):
        yield _problem(facts, "anchors", expected, shown(anchors))


def _problem(facts: ModelFacts, key: str, expected: str, found: str) -> HooklineError:
    return HooklineError(
        f"the model '{facts.variant}' has unusable facts (head.{key}: expected {expected}, got {found})",
        "restore the file and its sidecar, or export it again",
    )


def _expected(anchors: object, levels: int) -> str:
    """Return what the anchors should be; empty where they are that."""
    if not isinstance(anchors, list) or not all(isinstance(level, list) for level in anchors):
        return "a list per level"
    if len(anchors) != levels:
        return f"one list for each of {levels} strides"
    sizes = {len(level) for level in anchors}
    if len(sizes) > 1 or 0 in sizes or any(size % 2 for size in sizes):
        return "pairs of width and height, equally many per level"
    if any(size > 2 * MAX_ANCHORS for size in sizes):
        return f"up to {MAX_ANCHORS} per level"
    if not all(_is_side(side) for level in anchors for side in level):
        return f"numbers above 0, up to {MAX_SIDE}"
    return ""


def _is_side(side: object) -> bool:
    return isinstance(side, int | float) and not isinstance(side, bool) and 0 < side <= MAX_SIDE
