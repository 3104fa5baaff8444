"""Find the image of an annotation, and choose its name in the new data set."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from core.data.dataset import images_below, label_path
from core.errors import HooklineError
from core.files.paths import numbered
from core.media.matching import name_key
from core.media.suffixes import PassedOver, is_image


class ImageFinder:
    """Finds images below some folders by name, ignoring suffix and case; hidden files and folders are skipped.

    Attributes:
        files: Absolute paths, sorted.
        passed: The other files in the folders.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self.passed = PassedOver()
        self.files = list(dict.fromkeys(file for folder in folders for file in images_below(folder, self.passed)))
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        for file in self.files:
            self._by_stem[name_key(file.stem)].append(file)

    def find(self, named: str, annotation: Path, *, suffix: bool = True) -> Path | None:
        """Return the best match, None if no image has that name.

        Args:
            named: Name in the annotation: a file name, or a path of this or another machine, with / or \\.
            annotation: The annotation file; of two images with the same name, the nearer one is chosen.
            suffix: Whether ``named`` includes the suffix.

        Raises:
            HooklineError: Two images match equally well.
        """
        wanted = PurePosixPath(named.replace("\\", "/"))
        candidates = self._named(wanted, suffix=suffix) or self._named(
            PurePosixPath(unquote(str(wanted))), suffix=suffix
        )
        if not candidates:
            return None
        ranks = {file: _rank(file, wanted, annotation) for file in candidates}
        best = max(ranks.values())
        winners = [file for file, rank in ranks.items() if rank == best]
        if len(winners) > 1:
            raise HooklineError(
                f"'{named}' in '{annotation}' may be '{winners[0]}' or '{winners[1]}'",
                "rename one, or convert their folders separately",
            )
        return winners[0]

    def _named(self, wanted: PurePosixPath, *, suffix: bool) -> list[Path]:
        whole = wanted.name if not suffix else _without_suffix(wanted.name)
        return self._by_stem.get(name_key(whole), [])


def _without_suffix(name: str) -> str:
    """Return the name without an image suffix; other dots belong to the name."""
    return name[: -len(PurePosixPath(name).suffix)] if is_image(name) else name


def _rank(file: Path, wanted: PurePosixPath, annotation: Path) -> tuple[bool, int, bool, int]:
    """Rank a match: next to its labels, then common folders, then equal suffix, then distance to the annotation."""
    belongs = file.parent == annotation.parent or label_path(file).parent == annotation.parent
    folders = _shared(file.parts[-2::-1], wanted.parts[-2::-1])
    near = _shared(file.parts, annotation.parts)
    return belongs, folders, file.name == wanted.name, near


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """Return the number of equal leading parts."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def new_names(images: Sequence[Path]) -> list[str]:
    """Return a file name per image, unique without suffix and case, because label files share the stem.

    ``a/1.jpg`` and ``b/1.jpg`` become ``a-1.jpg`` and ``b-1.jpg``; remaining conflicts get a number.
    """
    root = Path(os.path.commonpath([image.parent for image in images]))
    plain = Counter(image.stem.casefold() for image in images)
    # Unique names are kept, so they are reserved before new names are made.
    taken = {stem for stem, count in plain.items() if count == 1}
    names = []
    for image in images:
        stem = image.stem
        if plain[stem.casefold()] > 1:
            joined = "-".join(image.relative_to(root).with_suffix("").parts)
            stem = next(free for free in numbered(joined) if free.casefold() not in taken)
            taken.add(stem.casefold())
        names.append(stem + image.suffix)
    return names
