"""Split images with the same share of each class in all splits."""

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
"""Number of images considered for each move: the last ones assigned, which have only common classes."""


def stratify(classes: Sequence[Collection[int]], shares: Mapping[str, float], seed: int) -> list[str]:
    """Assign each image to a split; the size of a split differs from its share by less than one, and is at least one.

    Args:
        classes: Classes in each image; empty for background.
        shares: Share of each split; their sum is 1.
        seed: Seed of the random choice.
    """
    images = [frozenset(found) or frozenset({BACKGROUND}) for found in classes]
    generator = random.Random(seed)
    order = generator.sample(range(len(images)), len(images))
    counts = Counter(number for found in images for number in found)
    quotas = {split: _Quota(share, counts, len(images)) for split, share in shares.items()}
    chosen = _assign(images, order, quotas, generator)
    _balance(images, chosen, quotas, sizes(shares, len(images)))
    return [chosen[index] for index in range(len(images))]


def sizes(shares: Mapping[str, float], total: int) -> dict[str, int]:
    """Return the number of images per split: the rounded share of ``total``, at least one if there are enough."""
    exact = {split: share * total for split, share in shares.items()}
    minimum = min(1, total // len(shares))
    found = {split: max(int(value), minimum) for split, value in exact.items()}
    while sum(found.values()) < total:
        found[max(found, key=lambda split: round(exact[split] - found[split], 6))] += 1
    while sum(found.values()) > total:
        above = (split for split in found if found[split] > minimum)
        found[min(above, key=lambda split: round(exact[split] - found[split], 6))] -= 1
    return found


class _Quota:
    """Remaining number of images of a split, in total and per class; negative if it has too many."""

    def __init__(self, share: float, counts: Mapping[int, int], total: int) -> None:
        self._classes = {number: share * count for number, count in counts.items()}
        self._total = share * total

    def of(self, number: int) -> tuple[float, float]:
        # Rounded, so that floating-point errors of shares such as 0.2 do not decide ties.
        return round(self._classes[number], 6), round(self._total, 6)

    def maximum(self, numbers: Collection[int]) -> float:
        return max(round(self._classes[number], 6) for number in numbers)

    def take(self, numbers: Collection[int], count: int = 1) -> None:
        self._total -= count
        for number in numbers:
            self._classes[number] -= count


def _assign(
    images: Sequence[Collection[int]], order: Sequence[int], quotas: Mapping[str, _Quota], generator: random.Random
) -> dict[int, str]:
    """Assign images to splits, rarest class first, each to the split with the largest remaining quota of it."""
    left = Counter(number for found in images for number in found)
    holders: dict[int, list[int]] = defaultdict(list)
    for index in order:
        for number in images[index]:
            holders[number].append(index)
    chosen: dict[int, str] = {}
    while left:
        rarest = min(left, key=lambda number: (left[number], number))
        del left[rarest]
        for index in holders[rarest]:
            if index not in chosen:
                split = max(quotas, key=lambda name: (*quotas[name].of(rarest), generator.random()))
                chosen[index] = split
                quotas[split].take(images[index])
                left.subtract(number for number in images[index] if number in left)
    return chosen


def _balance(
    images: Sequence[Collection[int]], chosen: dict[int, str], quotas: Mapping[str, _Quota], wanted: Mapping[str, int]
) -> None:
    """Move images between splits until their sizes are as wanted, those with over-represented classes first."""
    have = Counter(chosen.values())
    spare = {split: have[split] - count for split, count in wanted.items()}
    while any(spare.values()):
        giver, taker = max(spare, key=spare.__getitem__), min(spare, key=spare.__getitem__)
        mine = islice((index for index in reversed(chosen) if chosen[index] == giver), CANDIDATES)
        index = min(mine, key=lambda index: quotas[giver].maximum(images[index]))
        chosen[index] = taker
        quotas[giver].take(images[index], -1)
        quotas[taker].take(images[index])
        spare[giver] -= 1
        spare[taker] += 1


DEFAULT = {"train": 0.8, "val": 0.2}


def split_images(
    labelled: Sequence[ConvertedImage], shares: Mapping[str, float] | None, context: RunContext
) -> dict[str, list[ConvertedImage]]:
    """Return the images of each split.

    Args:
        labelled: All images in stable order.
        shares: ``convert.split``; None keeps the splits of the source if it has any.
        context: For the seed and for messages.

    Raises:
        HooklineError: A split would be empty.
    """
    if shares is None and any(item.split for item in labelled):
        return _own(labelled, context)
    wanted = {split: float((shares or DEFAULT)[split]) for split in SPLITS if split in (shares or DEFAULT)}
    if shares is None:
        context.note(
            "the source has no splits; made a random split: 80 % train, 20 % val (change it with convert.split)"
        )
    chosen = stratify([{number for number, *_ in item.rows} for item in labelled], wanted, context.seed)
    splits = {split: [item for item, mine in zip(labelled, chosen, strict=True) if mine == split] for split in wanted}
    for split, items in splits.items():
        if not items:
            raise HooklineError(
                f"too few images ({len(labelled)}): the split '{split}' would be empty",
                "give more images, or change convert.split",
            )
    return splits


def _own(labelled: Sequence[ConvertedImage], context: RunContext) -> dict[str, list[ConvertedImage]]:
    counts = Counter(item.split for item in labelled)
    if without := counts[None]:
        context.warn(f"skipped {counted(without, 'image')} in no split of the source; convert.split makes new splits")
    return {split: [item for item in labelled if item.split == split] for split in SPLITS if counts[split]}
