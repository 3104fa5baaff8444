"""Which picture goes into which split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from core.errors import HooklineError, counted
from stages.convert import SPLITS
from stages.convert.records import Labelled
from stages.convert.stratify import stratify

if TYPE_CHECKING:
    from core.context import RunContext

DEFAULT = {"train": 0.8, "val": 0.2}


def split_pictures(
    labelled: Sequence[Labelled], shares: Mapping[str, float] | None, context: RunContext
) -> dict[str, list[Labelled]]:
    """The pictures of each split.

    Args:
        labelled: All pictures, in stable order.
        shares: ``convert.split``; None keeps the splits of the source where it has any.
        context: For the seed, and to tell what was done.

    Raises:
        HooklineError: A split would be empty.
    """
    if shares is None and any(item.split for item in labelled):
        return _own(labelled, context)
    wanted = {split: float((shares or DEFAULT)[split]) for split in SPLITS if split in (shares or DEFAULT)}
    if shares is None:
        context.note("the source has no splits; drawn: 80 % train, 20 % val (convert.split says otherwise)")
    chosen = stratify([{number for number, *_ in item.rows} for item in labelled], wanted, context.seed)
    splits = {split: [item for item, mine in zip(labelled, chosen, strict=True) if mine == split] for split in wanted}
    for split, items in splits.items():
        if not items:
            raise HooklineError(
                f"too few for a split, {counted(len(labelled), 'image')}: none falls to '{split}'",
                "give more, or other convert.split",
            )
    return splits


def _own(labelled: Sequence[Labelled], context: RunContext) -> dict[str, list[Labelled]]:
    counts = Counter(item.split for item in labelled)
    if without := counts[None]:
        context.warn(f"left out {counted(without, 'image')} in no split of the source; convert.split draws new ones")
    return {split: [item for item in labelled if item.split == split] for split in SPLITS if counts[split]}
