"""Results as text: COCO results, YOLO label files, CSV. Written frame by frame, so that memory stays constant.

``images.json`` is written last: a frame that it lists is finished.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol

from core.detections import Detections
from core.files.paths import output_below, write_file
from core.media.frame import Frame
from core.storage.serial import json_text
from stages.predict.live_text import LiveText, json_list
from stages.predict.result_names import ResultNames

BOXES, IMAGES, TABLE, LABELS = "predictions.json", "images.json", "predictions.csv", "labels"
CSV_COLUMNS = ("file", "frame", "seconds", "class_id", "class", "score", "x1", "y1", "x2", "y2", "width", "height")


class RecordWriter(Protocol):
    """Writes the boxes of frames, one frame after another."""

    def add(self, frame: Frame, found: Detections) -> None:
        """Write the boxes of the next frame."""
        ...

    def __enter__(self) -> RecordWriter: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class _Live:
    """A record that closes its file when the block is left, also by an exception."""

    def __init__(self, file: LiveText) -> None:
        self._file = file

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


class CocoRecord(_Live):
    """COCO results: a list of ``image_id``, ``category_id``, ``bbox`` x, y, width, height in pixels, ``score``.

    Args:
        folder: Where ``predictions.json`` is written.
        names: For the image ids.
        previous: Entries of an interrupted run; the file begins with them.
    """

    def __init__(self, folder: Path, names: ResultNames, previous: Iterable[object] = ()) -> None:
        super().__init__(json_list(folder / BOXES, previous))
        self._names = names

    def add(self, frame: Frame, found: Detections) -> None:
        """Write the boxes of the next frame."""
        image_id = self._names.image_id(frame)
        entries = []
        for box, score, number in _rows(found):
            x, y, right, bottom = box
            corner_and_size = [x, y, round(right - x, 3), round(bottom - y, 3)]
            entry = {"image_id": image_id, "category_id": number, "bbox": corner_and_size, "score": score}
            entries.append(json_text(entry))
        self._file.append(entries)

    def __enter__(self) -> CocoRecord:
        return self


class ImageRecord(_Live):
    """``images.json``: id, name and size of every frame, also of those without boxes.

    Args:
        folder: Where ``images.json`` is written.
        names: For the image ids.
        previous: Entries of an interrupted run; the file begins with them.
    """

    def __init__(self, folder: Path, names: ResultNames, previous: Iterable[object] = ()) -> None:
        super().__init__(json_list(folder / IMAGES, previous))
        self._names = names

    def add(self, frame: Frame, found: Detections) -> None:
        """Record a finished frame with the number of its boxes, which a resumed run compares with other files."""
        height, width = frame.picture.shape[:2]
        entry = {"id": self._names.image_id(frame), "file_name": frame.name, "width": width, "height": height}
        entry["boxes"] = len(found)
        if frame.seconds is not None:
            entry["seconds"] = round(frame.seconds, 4)
        if frame.damaged:
            entry["damaged"] = frame.damaged
        self._file.append([json_text(entry)])

    def __enter__(self) -> ImageRecord:
        return self


class LabelRecord:
    """YOLO label files: ``class cx cy w h score`` per line, as fractions of the image; empty without boxes."""

    def __init__(self, folder: Path, names: ResultNames) -> None:
        self._folder, self._names = folder, names

    def add(self, frame: Frame, found: Detections) -> None:
        """Write the label file of the next frame."""
        height, width = frame.picture.shape[:2]
        lines = []
        for (left, top, right, bottom), score, number in _rows(found):
            shares = [(left + right) / 2 / width, (top + bottom) / 2 / height, (right - left) / width]
            shares.append((bottom - top) / height)
            lines.append(f"{number} {' '.join(f'{share:.6f}' for share in shares)} {score:.6f}\n")
        path = output_below(self._folder, self._names.label(frame))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, "".join(lines).encode())

    def __enter__(self) -> LabelRecord:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class CsvRecord(_Live):
    """``predictions.csv``: a header and one line per box, columns :data:`CSV_COLUMNS`, boxes in pixels.

    Args:
        folder: Where ``predictions.csv`` is written.
        class_names: Index = class id.
        previous: Rows of an interrupted run; the file begins with them.
    """

    def __init__(self, folder: Path, class_names: Sequence[str], previous: Iterable[Sequence[object]] = ()) -> None:
        super().__init__(LiveText(folder / TABLE, (_csv([row]) for row in previous), head=_csv([CSV_COLUMNS])))
        self._class_names = class_names

    def add(self, frame: Frame, found: Detections) -> None:
        """Write the boxes of the next frame."""
        height, width = frame.picture.shape[:2]
        seconds = "" if frame.seconds is None else f"{frame.seconds:.4f}"
        begin = (frame.name, frame.number, seconds)
        rows = [
            (*begin, number, self._class_names[number], score, *box, width, height)
            for box, score, number in _rows(found)
        ]
        self._file.append([_csv(rows)])

    def __enter__(self) -> CsvRecord:
        return self


def _csv(rows: Sequence[Sequence[object]]) -> str:
    return "".join(map(_csv_row, rows))


def _csv_row(row: Sequence[object]) -> str:
    """Return a row that ends with a newline; the writer quotes values with a carriage return, as readers require."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(row)
    return text.getvalue().removesuffix("\r\n") + "\n"


def _rows(found: Detections) -> list[tuple[list[float], float, int]]:
    """Return box (rounded to 0.001 pixel), score (six digits) and class of each detection."""
    boxes = [[round(value, 3) for value in box] for box in found.boxes.tolist()]
    scores = [round(score, 6) for score in found.scores.tolist()]
    return list(zip(boxes, scores, found.classes.tolist(), strict=True))
