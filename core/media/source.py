"""What ``source=`` means: pictures, video files or a stream, listed in a stable order."""

from __future__ import annotations

import codecs
import glob
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from urllib.parse import urlsplit

from core.errors import HooklineError, counted
from core.files.paths import user_path
from core.files.regular_file import exists, is_file, is_folder, read_regular
from core.masking import MASK, masked
from core.media.matching import files_below, matching, nearest_names
from core.storage.digest import files_digest

PICTURES = (
    ".bmp", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp",
)  # fmt: skip
"""Suffixes of image files, wherever one is named: data sets, sources, calibration. A GIF is a video."""
VIDEOS = (
    ".3gp", ".asf", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov",
    ".mp4", ".mpeg", ".mpg", ".mts", ".ts", ".webm", ".wmv",
)  # fmt: skip
VIDEO_DEVICES = 81
"""Major number of Video4Linux devices."""
MAX_LIST = 1 << 30
"""Bytes of a list: some ten million paths."""
PROTOCOLS = ("http", "https", "rtmp", "rtmps", "rtp", "rtsp", "rtsps", "srt", "tcp", "udp")
KNOWN = "images such as .jpg .png .webp, video such as .mp4 .mov .mkv; docs/sources.md lists all suffixes"


class SourceKind(str, Enum):
    """``pictures`` (image files), ``video`` (one or several files) or ``stream`` (camera or address)."""

    pictures = "pictures"
    video = "video"
    stream = "stream"


@dataclass(frozen=True)
class Source:
    """A source of images: files, or a stream.

    Attributes:
        text: What the user wrote, passwords masked.
        kind: All files are images, all are video, or it is a stream.
        files: Absolute paths without ``..`` and without duplicates: sorted by name for a folder and a glob, in the
            order of the list otherwise; empty for a stream.
        names: One per file, unique: the path below the deepest folder that holds all of them.
        address: Of a stream: URL, device path, or the index of a camera in digits.
    """

    text: str
    kind: SourceKind
    files: tuple[Path, ...] = ()
    names: tuple[str, ...] = ()
    address: str = ""

    @property
    def live(self) -> bool:
        """Whether frames arrive in real time, so that only the newest one is read; not for a video on a server."""
        return self.kind is SourceKind.stream and Path(urlsplit(self.address).path).suffix.lower() not in VIDEOS

    def without(self, folder: Path) -> Source:
        """Return the source without the files in ``folder``, e.g. the results of a run in the folder of its images.

        Raises:
            HooklineError: Nothing is left.
        """
        files = tuple(file for file in self.files if folder not in file.parents)
        if len(files) == len(self.files):
            return self
        if not files:
            raise HooklineError(f"'{self.text}' holds results of this run only", "give the images or videos")
        return replace(self, files=files, names=_names(files))

    def digest(self, cache_dir: Path | None = None) -> str:
        """Return the SHA-256 over names and contents of the files; the same wherever the folder lies.

        Args:
            cache_dir: Where digests of files are cached, ``RunContext.cache_dir``; None: not cached.

        Raises:
            HooklineError: A stream has no content to digest.
        """
        if self.kind is SourceKind.stream:
            raise HooklineError(
                f"the stream '{self.text}' cannot be read twice", "record it and give the video file or its images"
            )
        return files_digest(zip(self.names, self.files, strict=True), cache_dir)


def is_image(path: Path | str) -> bool:
    """Return whether the name of a file is that of an image."""
    return str(path).lower().endswith(PICTURES)


def image_source(images: Sequence[Path], text: str) -> Source:
    """Return the source of images that are known to exist, e.g. those of a data set.

    Args:
        images: Absolute paths, at least one.
        text: What they are, for messages.
    """
    files = tuple(dict.fromkeys(images))
    return Source(text=text, kind=SourceKind.pictures, files=files, names=_names(files))


def list_source(text: object) -> Source:
    """Return what a source is, with the files that it names. Nothing is opened but a ``.txt`` list.

    Args:
        text: An image, a video, a folder (with its subfolders, hidden ones left out), a glob, a ``.txt`` list (one path
            per line, from the list's folder or the current one; ``#`` starts a comment line), an address such as
            ``rtsp://...``, a camera (``0``, ``/dev/video0``), or a list of several of these except streams; text or
            paths, a number for a camera.

    Raises:
        HooklineError: It does not exist, holds no images or video, or holds both.
    """
    texts = [str(item) for item in text] if isinstance(text, (list, tuple)) else [str(text)]
    shown = ", ".join(texts)
    if not any(item.strip() for item in texts):
        raise HooklineError("the source is empty", "give an image, folder, glob, .txt list, video, camera or address")
    streams = [item for item in texts if _is_stream(item)]
    if streams and len(texts) > 1:
        raise HooklineError(f"a stream must be the only source, got '{shown}'", "run one stream at a time")
    if streams:
        return _stream(streams[0])
    files = list(dict.fromkeys(path for item in texts for path in _files(item)))
    return Source(text=shown, kind=_kind(files, shown), files=tuple(files), names=_names(files))


def _is_stream(text: str) -> bool:
    if "://" in text:
        return True
    if exists(text):
        return _is_camera(text)
    return text.isdecimal()


def _is_camera(path: str) -> bool:
    """Whether a path is a device of Video4Linux; other devices, such as ``/dev/zero``, are no source."""
    status = Path(path).stat()
    return stat.S_ISCHR(status.st_mode) and os.major(status.st_rdev) == VIDEO_DEVICES


def _stream(text: str) -> Source:
    if f":{MASK}@" in text or f"={MASK}" in text:
        raise HooklineError(f"the password of '{text}' is masked", f"put it in for {MASK}")
    parts = urlsplit(text)
    if "://" in text and parts.scheme.lower() not in PROTOCOLS:
        message = f"unknown protocol '{parts.scheme}' of source '{text}'"
        raise HooklineError(message, f"possible: {', '.join(PROTOCOLS)}")
    if is_image(parts.path) and parts.scheme.startswith("http"):
        raise HooklineError(f"source '{text}' is an image on a server", "download it and give its path")
    return Source(text=masked(text), kind=SourceKind.stream, address=text)


def _files(text: str) -> list[Path]:
    path = user_path(text)
    if is_folder(path):
        return _folder(path)
    if is_file(path):
        return _listed(path) if path.suffix.lower() == ".txt" else [_media(path)]
    if exists(path):
        raise HooklineError(f"the source '{text}' is a FIFO, a socket or a device", "give a regular file or a camera")
    if glob.has_magic(text):
        return _matching(path)
    raise HooklineError(f"no such source '{text}'", nearest_names(path))


def _folder(folder: Path) -> list[Path]:
    found = sorted(
        (path for path in files_below(plain_path(folder)) if _is_media(path)), key=lambda path: path.as_posix()
    )
    if not found:
        raise HooklineError(f"no images or video in folder '{folder}'", f"what counts: {KNOWN}")
    return found


def _matching(pattern: Path) -> list[Path]:
    found = [plain_path(path) for path in matching(pattern)]
    media = [path for path in found if _is_media(path) and is_file(path)]
    if not media:
        other = f"; it matches {len(found)} of other kinds" if found else ""
        raise HooklineError(f"no image or video matches '{pattern}'{other}", f"what counts: {KNOWN}")
    return media


def _listed(path: Path) -> list[Path]:
    folder = str(path.parent)
    entries = (line for line in list_entries(path) if not line[1].startswith("#"))
    files = [_entry(path, folder, number, entry) for number, entry in entries]
    if not files:
        raise HooklineError(f"the list '{path}' names no files", "write one path a line")
    return files


def list_entries(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the number and the text of each line of a list that is not blank.

    Raises:
        HooklineError: It cannot be read, is not a regular file, or has too many bytes.
    """
    try:
        content = read_regular(path, MAX_LIST)
    except OSError as error:
        message = f"cannot read the list '{path}' ({error.strerror})"
        raise HooklineError(message, "it has one path per line") from error
    lines = os.fsdecode(content.removeprefix(codecs.BOM_UTF8)).splitlines()
    return ((number, entry) for number, line in enumerate(lines, start=1) if (entry := line.strip()))


def _entry(listing: Path, folder: str, number: int, entry: str) -> Path:
    for candidate in (os.path.join(folder, entry), entry):  # noqa: PTH118  ten times as fast, for millions of entries
        if is_file(candidate):
            return _media(Path(candidate))
    raise HooklineError(f"line {number} of '{listing}': no such file '{entry}'", nearest_names(listing.parent / entry))


def _media(path: Path) -> Path:
    if not _is_media(path):
        raise HooklineError(f"unknown kind of file '{path}'", f"what counts: {KNOWN}")
    return plain_path(path)


def plain_path(path: Path) -> Path:
    """Return ``path`` absolute and without ``..``, so that it has one spelling and lies below every folder it names.

    A link in the file's place stays: its name is the image's name. ``link/..`` is where the link leads, as the system
    reads it.
    """
    absolute = path.absolute()
    if ".." not in absolute.parts:
        return absolute
    if absolute.name == "..":
        return Path(os.path.realpath(absolute))
    return Path(os.path.realpath(absolute.parent), absolute.name)


def _is_media(path: Path) -> bool:
    return is_image(path) or path.suffix.lower() in VIDEOS


def _kind(files: Sequence[Path], shown: str) -> SourceKind:
    found = [path for path in files if path.suffix.lower() in VIDEOS]
    videos = len(found)
    if 0 < videos < len(files):
        raise HooklineError(
            f"'{shown}' holds {counted(len(files) - videos, 'image')} and {counted(videos, 'video')} ({found[0].name})",
            "take one kind by a glob, e.g. 'folder/**/*.jpg', or leave the others out of the list",
        )
    return SourceKind.video if videos else SourceKind.pictures


def _names(files: Sequence[Path]) -> tuple[str, ...]:
    root = os.path.commonpath([path.parent for path in files])
    return tuple(path.relative_to(root).as_posix() for path in files)
