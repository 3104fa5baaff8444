"""Find the image that an annotation means, and its name in the new data set."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from core.data.dataset import images_below, label_path
from core.errors import HooklineError
from core.media.source import is_image


class ImageFinder:
    """All pictures below some folders, hidden ones left out, by the name without suffix and case.

    Attributes:
        files: Absolute, sorted.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self.files = list(dict.fromkeys(file for folder in folders for file in images_below(folder)))
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        for file in self.files:
            self._by_stem[_key(file.stem)].append(file)

    def find(self, named: str, annotation: Path, *, suffix: bool = True) -> Path | None:
        """The picture that fits best, None where no picture has that name.

        Args:
            named: As the annotation says it: a name, or a path of this or another machine, with / or \\.
            annotation: The file that says it; of two pictures of one name, the nearer one is meant.
            suffix: Whether ``named`` ends in the picture's suffix.

        Raises:
            HooklineError: Two pictures fit equally well.
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
                "rename one, or convert their folders one after the other",
            )
        return winners[0]

    def _named(self, wanted: PurePosixPath, *, suffix: bool) -> list[Path]:
        whole = wanted.name if not suffix else _without_suffix(wanted.name)
        return self._by_stem.get(_key(whole), [])


def _key(stem: str) -> str:
    """Without case, and with accents in one code point: macOS writes them as two, tools on it and elsewhere as one."""
    return unicodedata.normalize("NFC", stem).casefold()


def _without_suffix(name: str) -> str:
    """The name without the suffix of a picture; other dots belong to the name."""
    return name[: -len(PurePosixPath(name).suffix)] if is_image(name) else name


def _rank(file: Path, wanted: PurePosixPath, annotation: Path) -> tuple[bool, int, bool, int]:
    """How well ``file`` fits: it lies where labels of it would, has the folders and the suffix named, is near."""
    belongs = file.parent == annotation.parent or label_path(file).parent == annotation.parent
    folders = _shared(file.parts[-2::-1], wanted.parts[-2::-1])
    near = _shared(file.parts, annotation.parts)
    return belongs, folders, file.name == wanted.name, near


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """How many parts are the same from the start."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


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
