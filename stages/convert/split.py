"""Split images so that every class has its share in every split."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from core.errors import HooklineError, counted
from stages.convert.config import SPLITS
from stages.convert.records import ConvertedImage

if TYPE_CHECKING:
    from core.kinds.context import RunContext

BACKGROUND = -1
CANDIDATES = 1000
"""How many pictures are looked at for each that moves: those dealt last, which have common classes only."""


def stratify(classes: Sequence[Collection[int]], shares: Mapping[str, float], seed: int) -> list[str]:
    """A split for each picture; each split has its share of them to within one, and at least one.

    Args:
        classes: The classes on each picture; none for a background picture.
        shares: Part of the pictures a split, adding up to 1.
        seed: Decides which picture goes where.
    """
    pictures = [frozenset(found) or frozenset({BACKGROUND}) for found in classes]
    generator = random.Random(seed)
    order = generator.sample(range(len(pictures)), len(pictures))
    counts = Counter(number for found in pictures for number in found)
    lacks = {split: _Lack(share, counts, len(pictures)) for split, share in shares.items()}
    chosen = _deal(pictures, order, lacks, generator)
    _even_out(pictures, chosen, lacks, sizes(shares, len(pictures)))
    return [chosen[index] for index in range(len(pictures))]


def sizes(shares: Mapping[str, float], total: int) -> dict[str, int]:
    """How many of ``total`` pictures each split has: rounded, at least one where there are enough."""
    exact = {split: share * total for split, share in shares.items()}
    least = min(1, total // len(shares))
    found = {split: max(int(value), least) for split, value in exact.items()}
    while sum(found.values()) < total:
        found[max(found, key=lambda split: round(exact[split] - found[split], 6))] += 1
    while sum(found.values()) > total:
        above = (split for split in found if found[split] > least)
        found[min(above, key=lambda split: round(exact[split] - found[split], 6))] -= 1
    return found


class _Lack:
    """How many pictures a split still lacks, in all and a class; below zero it has too many."""

    def __init__(self, share: float, counts: Mapping[int, int], total: int) -> None:
        self._classes = {number: share * count for number, count in counts.items()}
        self._total = share * total

    def of(self, number: int) -> tuple[float, float]:
        # Rounded: sums of shares such as 0.2 must not break ties by their last bit.
        return round(self._classes[number], 6), round(self._total, 6)

    def greatest(self, numbers: Collection[int]) -> float:
        return max(round(self._classes[number], 6) for number in numbers)

    def take(self, numbers: Collection[int], count: int = 1) -> None:
        self._total -= count
        for number in numbers:
            self._classes[number] -= count


def _deal(
    pictures: Sequence[Collection[int]], order: Sequence[int], lacks: Mapping[str, _Lack], generator: random.Random
) -> dict[int, str]:
    left = Counter(number for found in pictures for number in found)
    holders: dict[int, list[int]] = defaultdict(list)
    for index in order:
        for number in pictures[index]:
            holders[number].append(index)
    chosen: dict[int, str] = {}
    while left:
        rarest = min(left, key=lambda number: (left[number], number))
        del left[rarest]
        for index in holders[rarest]:
            if index not in chosen:
                split = max(lacks, key=lambda name: (*lacks[name].of(rarest), generator.random()))
                chosen[index] = split
                lacks[split].take(pictures[index])
                left.subtract(number for number in pictures[index] if number in left)
    return chosen


def _even_out(
    pictures: Sequence[Collection[int]], chosen: dict[int, str], lacks: Mapping[str, _Lack], wanted: Mapping[str, int]
) -> None:
    """Move pictures until each split has the number wanted: those first whose classes the giver has most to spare."""
    have = Counter(chosen.values())
    spare = {split: have[split] - count for split, count in wanted.items()}
    while any(spare.values()):
        giver, taker = max(spare, key=spare.__getitem__), min(spare, key=spare.__getitem__)
        mine = islice((index for index in reversed(chosen) if chosen[index] == giver), CANDIDATES)
        index = min(mine, key=lambda index: lacks[giver].greatest(pictures[index]))
        chosen[index] = taker
        lacks[giver].take(pictures[index], -1)
        lacks[taker].take(pictures[index])
        spare[giver] -= 1
        spare[taker] += 1


DEFAULT = {"train": 0.8, "val": 0.2}


def split_pictures(
    labelled: Sequence[ConvertedImage], shares: Mapping[str, float] | None, context: RunContext
) -> dict[str, list[ConvertedImage]]:
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


def _own(labelled: Sequence[ConvertedImage], context: RunContext) -> dict[str, list[ConvertedImage]]:
    counts = Counter(item.split for item in labelled)
    if without := counts[None]:
        context.warn(f"left out {counted(without, 'image')} in no split of the source; convert.split draws new ones")
    return {split: [item for item in labelled if item.split == split] for split in SPLITS if counts[split]}
