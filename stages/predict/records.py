"""Boxes as text: COCO results, YOLO label files, CSV. Written as they come, so that memory stays flat."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TextIO

from core.detections import Detections
from core.media.frame import Frame
from stages.predict.naming import Names

CSV_COLUMNS = ("file", "frame", "seconds", "class_id", "class", "score", "x1", "y1", "x2", "y2", "width", "height")


class Record(Protocol):
    """Takes in the boxes of one frame after another."""

    def add(self, frame: Frame, found: Detections) -> None:
        """Write the boxes of the next frame."""
        ...

    def __enter__(self) -> Record: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class _TextFile:
    """A file that gets its name when it is complete."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f".{path.name}.part")
        self._file: TextIO = self._part.open("w", encoding="utf-8", newline="")

    def close(self, *, complete: bool) -> None:
        self._file.close()
        if complete:
            self._part.replace(self._path)
        else:
            self._part.unlink()


class _JsonList(_TextFile):
    """A JSON list with one entry a line."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._separator = "[\n"

    def append(self, entry: Any) -> None:
        self._file.write(self._separator + json.dumps(entry, ensure_ascii=False))
        self._separator = ",\n"

    def close(self, *, complete: bool) -> None:
        self._file.write("[]\n" if self._separator == "[\n" else "\n]\n")
        super().close(complete=complete)


class CocoRecord:
    """COCO results: a list of ``image_id``, ``category_id``, ``bbox`` x, y, width, height in pixels, ``score``.

    Beside it ``images.json`` lists every frame with its id, name and size, those without boxes too.
    """

    def __init__(self, path: Path, names: Names) -> None:
        self._names = names
        self._boxes, self._images = _JsonList(path), _JsonList(path.with_name("images.json"))

    def add(self, frame: Frame, found: Detections) -> None:
        """Write the boxes of the next frame."""
        height, width = frame.picture.shape[:2]
        image_id = self._names.image_id(frame)
        image = {"id": image_id, "file_name": frame.name, "width": width, "height": height}
        self._images.append(image if frame.seconds is None else image | {"seconds": round(frame.seconds, 4)})
        for box, score, number in _rows(found):
            x, y, right, bottom = box
            self._boxes.append(
                {
                    "image_id": image_id,
                    "category_id": number,
                    "bbox": [x, y, round(right - x, 3), round(bottom - y, 3)],
                    "score": score,
                }
            )

    def __enter__(self) -> CocoRecord:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._boxes.close(complete=kind is None)
        self._images.close(complete=kind is None)


class LabelRecord:
    """YOLO label files: ``class cx cy w h score`` a line, boxes as shares of the picture; an empty file for none."""

    def __init__(self, folder: Path, names: Names) -> None:
        self._folder, self._names = folder, names

    def add(self, frame: Frame, found: Detections) -> None:
        """Write the label file of the next frame."""
        height, width = frame.picture.shape[:2]
        lines = []
        for (left, top, right, bottom), score, number in _rows(found):
            shares = [(left + right) / 2 / width, (top + bottom) / 2 / height, (right - left) / width]
            shares.append((bottom - top) / height)
            lines.append(f"{number} {' '.join(f'{share:.6f}' for share in shares)} {score:.6f}\n")
        path = self._folder / self._names.label(frame)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines), encoding="utf-8")

    def __enter__(self) -> LabelRecord:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class CsvRecord(_TextFile):
    """One line a box, with a header; columns :data:`CSV_COLUMNS`, boxes in pixels."""

    def __init__(self, path: Path, class_names: Sequence[str]) -> None:
        super().__init__(path)
        self._class_names = class_names
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(CSV_COLUMNS)

    def add(self, frame: Frame, found: Detections) -> None:
        """Write the boxes of the next frame."""
        height, width = frame.picture.shape[:2]
        seconds = "" if frame.seconds is None else f"{frame.seconds:.4f}"
        for box, score, number in _rows(found):
            name = self._class_names[number]
            self._writer.writerow([frame.name, frame.number, seconds, number, name, score, *box, width, height])

    def __enter__(self) -> CsvRecord:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(complete=kind is None)


def _rows(found: Detections) -> list[tuple[list[float], float, int]]:
    """Box to a thousandth of a pixel, score to six digits, class."""
    boxes = [[round(value, 3) for value in box] for box in found.boxes.tolist()]
    scores = [round(score, 6) for score in found.scores.tolist()]
    return list(zip(boxes, scores, found.classes.tolist(), strict=True))
