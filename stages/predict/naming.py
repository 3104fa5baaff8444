"""Names of the files that predict writes: no two results share one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain, count
from pathlib import Path, PurePosixPath

from core.errors import HooklineError
from core.image_ids import image_ids
from core.media.frame import Frame
from core.media.source import Source, SourceKind

STREAM = "stream"
RESERVED = ("images.json", "incomplete.json", "predictions.csv", "predictions.json", "stream.json")
GREY = (".pbm", ".pgm")


class Names:
    """Relative paths of results, by frame.

    ``street/a.jpg`` gives ``street/a.txt``; where ``street/a.png`` is there too, ``street/a.jpg.txt``.

    Raises:
        HooklineError: A folder of the source has the name of a result.
    """

    def __init__(self, source: Source) -> None:
        self._names: Mapping[Path | None, str] = dict(zip(source.files, source.names, strict=True)) or {None: STREAM}
        self._stems = _unique_stems(tuple(self._names.values()))
        self._pictures = _picture_names(tuple(self._names.values()))
        self._numbered = source.kind is not SourceKind.pictures
        _check_folders(self._names.values(), {*map(self.annotated, self._names.values()), *RESERVED})
        labels = {f"{stem}.txt" for stem in self._stems.values()}
        _check_folders(self._names.values(), labels | {f"labels/{label}" for label in labels})
        self._ids = image_ids(source.files) if source.kind is SourceKind.pictures else []

    def picture(self, frame: Frame) -> str:
        """Of the annotated image: the name that it has in the source; grey formats become PNG, for the colours."""
        return self._pictures[self._names[frame.path]]

    def video(self, frame: Frame) -> str:
        """Of the annotated video that the frame belongs to."""
        return self._stems[self._names[frame.path]] + ".mp4"

    def label(self, frame: Frame) -> str:
        """Of the frame's label file."""
        ending = f"_{frame.number:06d}.txt" if self._numbered else ".txt"
        return self._stems[self._names[frame.path]] + ending

    def annotated(self, name: str) -> str:
        """Of the annotated image or video of a file, given by its name in the source."""
        return self._stems[name] + ".mp4" if self._numbered else self._pictures[name]

    def image_id(self, frame: Frame) -> int:
        """COCO's id: the number that is the file's name where all are numbers, else the index in the source + 1."""
        return self._ids[frame.index] if self._ids else frame.index + 1


def _check_folders(names: Iterable[str], results: Collection[str]) -> None:
    """Refuse a folder in the place of a file."""
    folders = {str(folder) for name in names for folder in PurePosixPath(name).parents}
    if clash := sorted(folders.intersection(results)):
        raise HooklineError(
            f"the source has a folder '{clash[0]}', and a result of predict has this name", "rename the folder"
        )


def _picture_names(names: Sequence[str]) -> dict[str, str]:
    """By name: the name itself, with another suffix where its format has no colours; each once."""
    taken = set(names)
    chosen: dict[str, str] = {}
    for name in names:
        chosen[name] = name
        if name.lower().endswith(GREY):
            numbered = chain([f"{name}.png"], (f"{name}-{number}.png" for number in count(2)))
            chosen[name] = next(free for free in numbered if free not in taken)
            taken.add(chosen[name])
    return chosen


def _unique_stems(names: Sequence[str]) -> dict[str, str]:
    """By name: the name without its suffix where no other shares that, else the name, numbered where that is taken."""
    stems = {name: str(PurePosixPath(name).with_suffix("")) for name in names}
    shared = Counter(stems.values())
    chosen = {name: stem for name, stem in stems.items() if shared[stem] == 1}
    taken = set(chosen.values())
    for name in names:
        if name not in chosen:
            numbered = chain([name], (f"{name}-{number}" for number in count(2)))
            chosen[name] = next(free for free in numbered if free not in taken)
            taken.add(chosen[name])
    return chosen
