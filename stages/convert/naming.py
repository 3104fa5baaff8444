"""Names in the new data set: those of the source, told apart where two pictures share one."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path


def new_names(pictures: Sequence[Path]) -> list[str]:
    """A file name for each picture, unique without suffix and case, as the label file shares it.

    Of ``a/1.jpg`` and ``b/1.jpg`` come ``a-1.jpg`` and ``b-1.jpg``; what still collides gets a number.
    """
    root = Path(os.path.commonpath([picture.parent for picture in pictures]))
    plain = Counter(picture.stem.casefold() for picture in pictures)
    # Names that nobody shares are kept, so they are taken before any new one is made.
    taken = {stem for stem, count in plain.items() if count == 1}
    names = []
    for picture in pictures:
        stem = picture.stem
        if plain[stem.casefold()] > 1:
            stem = _free("-".join(picture.relative_to(root).with_suffix("").parts), taken)
        names.append(stem + picture.suffix)
    return names


def _free(stem: str, taken: set[str]) -> str:
    candidate, number = stem, 2
    while candidate.casefold() in taken:
        candidate = f"{stem}-{number}"
        number += 1
    taken.add(candidate.casefold())
    return candidate
