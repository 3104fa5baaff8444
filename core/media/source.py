"""The sources that ``source=`` names: images, video files or a stream, listed in a stable order."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from urllib.parse import urlsplit

from core.errors import HooklineError, counted, shown
from core.files.regular_file import exists
from core.masking import MASK, masked
from core.media.listing import files_of
from core.media.suffixes import GIF, RAW_SUFFIXES, PassedOver, is_image, is_video
from core.storage.digest import files_digest

VIDEO_DEVICES = 81
"""Major number of Video4Linux devices."""
PROTOCOLS = ("http", "https", "rtmp", "rtmps", "rtp", "rtsp", "rtsps", "srt", "tcp", "udp")


class SourceKind(str, Enum):
    """``pictures`` (image files), ``video`` (one or several files) or ``stream`` (camera or address)."""

    pictures = "pictures"
    video = "video"
    stream = "stream"


@dataclass(frozen=True)
class Source:
    """A source of images: files, or a stream.

    Attributes:
        text: The value of ``source=``, passwords masked.
        kind: Whether all files are images, all are videos, or the source is a stream.
        files: Absolute paths without ``..`` and without duplicates: sorted by name for a folder or a glob, otherwise
            in the order of the list; empty for a stream.
        names: One unique name per file: its path relative to the deepest common folder.
        address: URL, device path or camera index of a stream; empty for files.
        passed_over: One line with the number of files per suffix in its folders that are not read; empty for none.
    """

    text: str
    kind: SourceKind
    files: tuple[Path, ...] = ()
    names: tuple[str, ...] = ()
    address: str = ""
    passed_over: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines that each stage prints when it reads the source: the files that are passed over."""
        return (f"{self.passed_over} in {shown(self.text)}",) if self.passed_over else ()

    @property
    def live(self) -> bool:
        """Whether frames arrive in real time and only the newest one is read; False for a video on a server."""
        path = urlsplit(self.address).path
        return self.kind is SourceKind.stream and (not is_video(path) or path.lower().endswith(RAW_SUFFIXES))

    def without(self, folder: Path) -> Source:
        """Return the source without the files in ``folder``, e.g. results that a run writes next to its images.

        Raises:
            HooklineError: No file remains.
        """
        files = tuple(file for file in self.files if folder not in file.parents)
        if len(files) == len(self.files):
            return self
        if not files:
            raise HooklineError(f"'{self.text}' contains only results of this run", "give the images or videos")
        return replace(self, files=files, names=_names(files))

    def digest(self, cache_dir: Path | None = None) -> str:
        """Return the SHA-256 over names and contents of the files; it does not depend on the folder's location.

        Args:
            cache_dir: Cache folder for digests of files (``RunContext.cache_dir``); None disables caching.

        Raises:
            HooklineError: The source is a stream.
        """
        if self.kind is SourceKind.stream:
            raise HooklineError(
                f"the stream '{self.text}' cannot be read twice", "record it and give the video file or its images"
            )
        return files_digest(zip(self.names, self.files, strict=True), cache_dir)


def image_source(images: Sequence[Path], text: str) -> Source:
    """Return the source of existing images, e.g. those of a data set.

    Args:
        images: Absolute paths, at least one.
        text: Name of the images in messages.
    """
    files = tuple(dict.fromkeys(images))
    return Source(text=text, kind=SourceKind.pictures, files=files, names=_names(files))


def list_source(text: object, *, stills: bool = False) -> Source:
    """List the files of a source without opening them, except ``.txt`` lists.

    A GIF is an image (its first frame) among other images, and a video otherwise.

    Args:
        text: An image, a video, a folder (searched recursively, hidden folders and files skipped), a glob, a numbered
            sequence such as ``im_%04d.png``, a ``.txt`` list (one path per line, relative to the list's folder or the
            current one; ``#`` starts a comment line), an address such as ``rtsp://...``, a camera (``0``,
            ``/dev/video0``), or a list of these without streams. Each is a string or a path; a camera can be a number.
        stills: Read several GIFs without other files as images, too.

    Raises:
        HooklineError: The source does not exist, contains no images or videos, or mixes both.
    """
    texts = [str(item) for item in text] if isinstance(text, (list, tuple)) else [str(text)]
    joined = ", ".join(texts)
    if not any(item.strip() for item in texts):
        raise HooklineError("the source is empty", "give an image, folder, glob, .txt list, video, camera or address")
    streams = [item for item in texts if _is_stream(item)]
    if streams and len(texts) > 1:
        raise HooklineError(f"a stream must be the only source, got '{joined}'", "run one stream at a time")
    if streams:
        return _stream(streams[0])
    passed = PassedOver()
    files = list(dict.fromkeys(path for item in texts for path in files_of(item, passed)))
    return Source(
        text=joined,
        kind=_kind(files, joined, stills=stills),
        files=tuple(files),
        names=_names(files),
        passed_over=passed.line(),
    )


def _is_stream(text: str) -> bool:
    if "://" in text:
        return True
    if exists(text):
        return _is_camera(text)
    return text.isdecimal()


def _is_camera(path: str) -> bool:
    """Return whether a path is a Video4Linux device; other devices, such as ``/dev/zero``, are not sources."""
    status = Path(path).stat()
    return stat.S_ISCHR(status.st_mode) and os.major(status.st_rdev) == VIDEO_DEVICES


def _stream(text: str) -> Source:
    if f":{MASK}@" in text or f"={MASK}" in text:
        raise HooklineError(f"the password of '{text}' is masked", f"replace {MASK} with the password")
    parts = urlsplit(text)
    if "://" in text and parts.scheme.lower() not in PROTOCOLS:
        message = f"unknown protocol '{parts.scheme}' of source '{text}'"
        raise HooklineError(message, f"possible: {', '.join(PROTOCOLS)}")
    if is_image(parts.path) and not is_video(parts.path) and parts.scheme.startswith("http"):
        raise HooklineError(f"source '{text}' is an image on a server", "download it and give its path")
    return Source(text=masked(text), kind=SourceKind.stream, address=text)


def _kind(files: Sequence[Path], text: str, *, stills: bool) -> SourceKind:
    """Return what the files are; GIFs are images if there are others, or with ``stills`` if there are several GIFs."""
    gifs = [path for path in files if path.suffix.lower() == GIF]
    videos = [path for path in files if is_video(path) and path.suffix.lower() != GIF]
    images = len(files) - len(videos) - len(gifs)
    if videos and images:
        raise HooklineError(
            f"'{text}' contains {counted(images + len(gifs), 'image')} and {counted(len(videos), 'video')} "
            f"({videos[0].name})",
            "select one kind with a glob, e.g. 'folder/**/*.jpg', or remove the others from the list",
        )
    if images or (stills and not videos and len(gifs) > 1):
        return SourceKind.pictures
    return SourceKind.video


def _names(files: Sequence[Path]) -> tuple[str, ...]:
    root = os.path.commonpath([path.parent for path in files])
    return tuple(path.relative_to(root).as_posix() for path in files)
