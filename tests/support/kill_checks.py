"""Invariants after a run was killed: all files are complete."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from core.execution.run_directory import RESERVE, UNFINISHED
from core.files.paths import TEMPORARY
from core.storage.store import Store
from tests.support.kill_scenarios import Place, frames_in

PLAYABLE_UP_TO_SECONDS = 1.0
ENCODER_FRAMES = 14 + 3 * (os.cpu_count() or 1) // 2
"""Number of frames that libx264 buffers for lookahead, B-frames and threads, and the muxer for durations."""
MARKER, LABELS = "incomplete.json", "labels"


@dataclass(frozen=True)
class Finished:
    """The finished results of a killed run, to check later that they are unchanged.

    Attributes:
        entries: Inode and time of change of each main file in the store.
        frames: Names of the frames that a resumed run does not process again.
        files: Inode and time of change of the annotated images of finished frames, and of finished videos.
    """

    entries: dict[Path, tuple[int, int]]
    frames: frozenset[str]
    files: dict[Path, tuple[int, int]]


def problems_after_a_kill(place: Place) -> Iterator[str]:
    """Yield the problems of damaged files; files with temporary names are ignored."""
    yield from _unparsable(place.root)
    yield from _damaged_entries(place.store)
    for folder in predictions_in(place.run):
        yield from _inconsistent_frames(folder)


def problems_after_completion(place: Place) -> Iterator[str]:
    """Yield :func:`problems_after_a_kill`, and the unfinished files."""
    yield from problems_after_a_kill(place)
    for file in place.root.rglob("*"):
        unfinished = file.name.startswith(TEMPORARY) or file.name.endswith(UNFINISHED) or file.name == RESERVE
        if unfinished or file.parent == place.store / "unfinished":
            yield f"unfinished: {file.relative_to(place.root)}"


def finished_in(place: Place) -> Finished:
    """Return the results that must not change."""
    entries = {sidecar: _stamp(sidecar) for sidecar in _sidecars(place.store)}
    frames, files = set[str](), dict[Path, tuple[int, int]]()
    resumed = _resumed_folder(place.run)
    for folder in predictions_in(place.run):
        for name, file in _finished_files(folder):
            files[file] = _stamp(file)
            if folder == resumed:
                frames.add(name)
    return Finished(entries, frozenset(frames), files)


def _resumed_folder(run_dir: Path) -> Path | None:
    """Return the folder of incomplete results that ``resume=true`` continues."""
    markers = sorted(run_dir.glob(f"predict*/{MARKER}"), key=lambda marker: marker.stat().st_mtime_ns)
    return markers[-1].parent if markers else None


def _finished_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the name of each frame with the annotated image or video that is not written again."""
    videos = _finished_videos(folder)
    for entry in _entries(folder / "images.json"):
        name = str(entry["file_name"])
        video, numbered, _ = name.rpartition("#")
        if not numbered:
            yield name, folder / name
        elif video in videos:
            yield name, folder / f"{Path(video).stem}.mp4"


def lost(before: Finished) -> Iterator[str]:
    """Yield the finished results that have changed."""
    for file, stamp in [*before.entries.items(), *before.files.items()]:
        if not file.exists():
            yield f"lost: {file}"
        elif _stamp(file) != stamp:
            yield f"made again: {file}"


def predictions_in(run_dir: Path) -> list[Path]:
    """Return the folders of the stage predict, complete or not."""
    return [file.parent for file in sorted(run_dir.glob("predict*/images.json"))]


def _stamp(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_ino, status.st_mtime_ns


def _unparsable(root: Path) -> Iterator[str]:
    for file in sorted(root.rglob("*.json")):
        parts = file.relative_to(root).parts
        if any(part.startswith(TEMPORARY) or part.endswith(UNFINISHED) or part == "unfinished" for part in parts):
            continue
        try:
            json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            yield f"{'/'.join(parts)} does not parse: {error}"


def _sidecars(store: Path) -> list[Path]:
    return [
        file for file in store.glob("*/*/*.json") if file.relative_to(store).parts[0] not in {"unfinished", "locks"}
    ]


def _damaged_entries(folder: Path) -> Iterator[str]:
    if not folder.is_dir():
        return
    store = Store(folder)
    for entry in sorted({sidecar.parent for sidecar in _sidecars(folder)}):
        if store.find(entry.parent.name, entry.name) is None:
            yield f"damaged: {entry.relative_to(folder.parent)}"


def _inconsistent_frames(folder: Path) -> Iterator[str]:
    images, boxes = _entries(folder / "images.json"), Counter(_ids(folder))
    rows = Counter(line.split(",")[0] for line in _lines(folder / "predictions.csv")[1:])
    for entry in images:
        name, wanted = str(entry["file_name"]), boxes[entry["id"]]
        label = folder / LABELS / _label_name(name)
        if not label.is_file():
            yield f"{name} is finished without {label.name}"
        elif len(_lines(label)) != wanted:
            yield f"{name} has {wanted} boxes and {len(_lines(label))} lines in {label.name}"
        if rows[name] != wanted:
            yield f"{name} has {wanted} boxes and {rows[name]} rows in predictions.csv"
        if "#" not in name:
            yield from _bad_image(folder / name, entry)
    for video, seconds in _listed_videos(images).items():
        yield from _short_video(folder, video, seconds)


def _bad_image(file: Path, entry: dict[str, Any]) -> Iterator[str]:
    image = cv2.imread(str(file)) if file.is_file() else None
    if image is None or image.shape[:2] != (entry["height"], entry["width"]):
        yield f"{file.name} is finished, and its annotated image cannot be read"


def _listed_videos(images: list[dict[str, Any]]) -> dict[str, list[float]]:
    """Return the times of finished frames by the name of the video."""
    found: dict[str, list[float]] = {}
    for entry in images:
        video, numbered, _ = str(entry["file_name"]).rpartition("#")
        if numbered:
            found.setdefault(video, []).append(entry.get("seconds", 0.0))
    return found


def _short_video(folder: Path, video: str, seconds: list[float]) -> Iterator[str]:
    """Yield a problem unless a finished video has all frames, or another one those up to a second before the end."""
    file = folder / (Path(video).stem + ".mp4")
    complete = not (folder / MARKER).is_file() or video in _finished_videos(folder)
    end = max(seconds) - (0 if complete else PLAYABLE_UP_TO_SECONDS)
    decoded = frames_in(file)
    wanted = sum(moment <= end for moment in seconds) - (0 if complete else ENCODER_FRAMES)
    if decoded < wanted:
        yield f"{file.name} plays {decoded} of {len(seconds)} finished frames, {wanted} expected"


def _finished_videos(folder: Path) -> set[str]:
    """Return the videos that a resumed run does not write again; all of a complete run."""
    progress = folder / ".progress.json"
    if progress.is_file():
        return set(json.loads(progress.read_text(encoding="utf-8"))["finished"])
    return set(_listed_videos(_entries(folder / "images.json")))


def _label_name(name: str) -> str:
    video, numbered, number = name.rpartition("#")
    return f"{Path(video).stem}_{int(number):06d}.txt" if numbered else f"{Path(name).stem}.txt"


def _entries(file: Path) -> list[dict[str, Any]]:
    try:
        content: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # reported by _unparsable
        return []
    return content


def _ids(folder: Path) -> list[int]:
    return [entry["image_id"] for entry in _entries(folder / "predictions.json")]


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
