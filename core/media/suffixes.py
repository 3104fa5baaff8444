"""Which files are images and video by their suffix, and the count of those that are passed over."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from core.errors import HooklineError

GIF = ".gif"
"""A GIF is an image and a video: see :func:`core.media.source.list_source`."""
IMAGE_SUFFIXES = (
    ".avif", ".bmp", ".dib", ".gif", ".hdr", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".mpo", ".pam", ".pbm",
    ".pgm", ".png", ".pnm", ".ppm", ".ras", ".sr", ".tif", ".tiff", ".webp",
)  # fmt: skip
"""Suffixes of image files that OpenCV decodes."""
HEIF_SUFFIXES = (".heic", ".heif", ".hif")
"""Suffixes of image files that need the package pillow-heif."""
RAW_SUFFIXES = (".264", ".265", ".h264", ".h265", ".hevc", ".m2v", ".mjpeg", ".mjpg", ".y4m")
"""Suffixes of video without a container. A server sends it live, e.g. a camera with ``video.mjpg``."""
VIDEO_SUFFIXES = (
    ".264", ".265", ".3g2", ".3gp", ".asf", ".avi", ".flv", ".gif", ".h264", ".h265", ".hevc", ".ivf", ".m2ts", ".m2v",
    ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm",
    ".wmv", ".y4m",
)  # fmt: skip
PLAYLIST_SUFFIXES = (".m3u", ".m3u8", ".mpd")
"""Suffixes of files that name other files or addresses; they are never opened."""
COMPANION_SUFFIXES = (".cache", ".csv", ".json", ".md", ".txt", ".xml", ".yaml", ".yml")
"""Suffixes of files that are expected next to images: labels, lists and notes. Passing over them is not reported."""
COMPANION_NAMES = ("desktop.ini", "thumbs.db")
"""Lower-case names of such files; hidden files are not listed at all."""
SUPPORTED = "images such as .jpg .png .webp, video such as .mp4 .mov .mkv; docs/sources.md lists all suffixes"
INSTALL_HEIF = "install pillow-heif to read HEIC images: pip install pillow-heif"
MAX_ENDINGS = 8
"""Maximum number of suffixes in a message."""
_ENDING = re.compile(r"\.\w{1,12}", re.ASCII)


@cache
def reads_heif() -> bool:
    """Return whether the optional package pillow-heif is installed."""
    return find_spec("pillow_heif") is not None


def is_image(path: Path | str) -> bool:
    """Return whether a file name has the suffix of an image that can be read here."""
    return str(path).lower().endswith(IMAGE_SUFFIXES) or (is_heif(path) and reads_heif())


def is_video(path: Path | str) -> bool:
    """Return whether a file name has the suffix of a video."""
    return str(path).lower().endswith(VIDEO_SUFFIXES)


def is_heif(path: Path | str) -> bool:
    """Return whether a file name has the suffix of an image that needs the package pillow-heif."""
    return str(path).lower().endswith(HEIF_SUFFIXES)


def unknown_kind(path: Path) -> HooklineError:
    """Return the error for a named file that is neither an image nor a video that can be read here."""
    message, ending = f"unknown kind of file '{path}'", path.suffix.lower()
    if ending in HEIF_SUFFIXES:
        return HooklineError(message, INSTALL_HEIF)
    if ending in PLAYLIST_SUFFIXES:
        return HooklineError(
            message,
            "a playlist is not opened, because it can name any file or address; give its segments, or join them: "
            f"ffmpeg -i {path.name} -c copy video.mp4",
        )
    return HooklineError(message, f"supported: {SUPPORTED}")


class PassedOver:
    """Collects the files of folders and patterns that are not read, each once, to report them per suffix.

    Attributes:
        repeated: Number of entries of a split that name an image again (:func:`core.data.dataset.list_samples`).
    """

    def __init__(self) -> None:
        self.repeated = 0
        self._files: set[Path] = set()

    def selected(self, files: Iterable[Path], wanted: Callable[[Path], bool]) -> list[Path]:
        """Return the files for which ``wanted`` returns True, and collect the others."""
        found = []
        for file in files:
            if wanted(file):
                found.append(file)
            else:
                self._add(file)
        return found

    def _add(self, file: Path) -> None:
        """Add a file, unless it is hidden or expected next to images."""
        hidden = file.name.startswith(".")
        expected = file.suffix.lower() in COMPANION_SUFFIXES or file.name.lower() in COMPANION_NAMES
        if not (hidden or expected):
            self._files.add(file)

    def line(self, where: str = "") -> str:
        """Return one line with the number of files per suffix; empty for none.

        Args:
            where: Follows the counts, e.g. ``of 'train'``.
        """
        counts = Counter(_ending(file) for file in self._files).most_common()
        parts = [f"{count:,} {ending}{_reason(ending)}" for ending, count in counts[:MAX_ENDINGS]]
        if others := sum(count for _, count in counts[MAX_ENDINGS:]):
            parts.append(f"{others:,} of other kinds")
        return " ".join(filter(None, ["passed over", ", ".join(parts), where])) if parts else ""


def _ending(file: Path) -> str:
    ending = file.suffix.lower()
    if not ending:
        return "without a suffix"
    return ending if _ENDING.fullmatch(ending) else "with another suffix"


def _reason(ending: str) -> str:
    """Return why files with this suffix are not read, in brackets, if there is something to do."""
    if ending in HEIF_SUFFIXES and not reads_heif():
        return " (install pillow-heif to read them)"
    return " (playlists are not opened)" if ending in PLAYLIST_SUFFIXES else ""
