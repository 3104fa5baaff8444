"""Relative paths of the results of a frame: annotated image or video, label file; and its image id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from core.errors import HooklineError
from core.files.paths import numbered
from core.labels import image_ids
from core.media.frame import Frame
from core.media.source import Source, SourceKind

STREAM = "stream"
RESERVED = ("images.json", "incomplete.json", "predictions.csv", "predictions.json", "stream.json")
GREY = (".pbm", ".pgm")


class ResultNames:
    """Relative paths of results, by frame.

    ``street/a.jpg`` gives ``street/a.txt``; if the source also has ``street/a.png``, it gives ``street/a.jpg.txt``.

    Raises:
        HooklineError: A folder of the source has the name of a result.
    """

    def __init__(self, source: Source) -> None:
        self._names: Mapping[Path | None, str] = dict(zip(source.files, source.names, strict=True)) or {None: STREAM}
        names = tuple(self._names.values())
        self._stems, self._images = _unique_stems(names), _image_names(names)
        self._numbered = source.kind is not SourceKind.pictures
        labels = {f"{stem}.txt" for stem in self._stems.values()}
        _check_folders(names, {*map(self.annotated, names), *RESERVED})
        _check_folders(names, labels | {f"labels/{label}" for label in labels})
        self._ids = image_ids(source.files) if source.kind is SourceKind.pictures else []

    def image(self, frame: Frame) -> str:
        """Return the name of the annotated image: that of the source; PNG replaces formats without colours."""
        return self._images[self._names[frame.path]]

    def video(self, frame: Frame) -> str:
        """Return the name of the annotated video of a frame."""
        return self._stems[self._names[frame.path]] + ".mp4"

    def label(self, frame: Frame) -> str:
        """Return the name of the label file of a frame."""
        ending = f"_{frame.number:06d}.txt" if self._numbered else ".txt"
        return self._stems[self._names[frame.path]] + ending

    def annotated(self, name: str) -> str:
        """Return the name of the annotated image or video of a source file, given by its name in the source."""
        return self._stems[name] + ".mp4" if self._numbered else self._images[name]

    def image_id(self, frame: Frame) -> int:
        """Return the COCO id: the number in the file name if all names are numbers, else index in the source + 1."""
        return self._ids[frame.index] if self._ids else frame.index + 1


def _check_folders(names: Iterable[str], results: Collection[str]) -> None:
    """Refuse a source folder that has the name of a result file."""
    folders = {str(folder) for name in names for folder in PurePosixPath(name).parents}
    if clash := sorted(folders.intersection(results)):
        raise HooklineError(
            f"the source has a folder '{clash[0]}', but a result of predict needs this name", "rename the folder"
        )


def _image_names(names: Sequence[str]) -> dict[str, str]:
    """Return unique names of annotated images: the source name, with the suffix .png for formats without colours."""
    taken = set(names)
    chosen: dict[str, str] = {}
    for name in names:
        chosen[name] = name
        if name.lower().endswith(GREY):
            chosen[name] = next(free for free in numbered(name, ".png") if free not in taken)
            taken.add(chosen[name])
    return chosen


def _unique_stems(names: Sequence[str]) -> dict[str, str]:
    """Return unique stems: the name without suffix if no other name shares it, else the name, numbered if needed."""
    stems = {name: str(PurePosixPath(name).with_suffix("")) for name in names}
    shared = Counter(stems.values())
    chosen = {name: stem for name, stem in stems.items() if shared[stem] == 1}
    taken = set(chosen.values())
    for name in names:
        if name not in chosen:
            chosen[name] = next(free for free in numbered(name) if free not in taken)
            taken.add(chosen[name])
    return chosen
