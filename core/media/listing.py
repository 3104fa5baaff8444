"""List the image and video files that a path, folder, glob, numbered sequence or ``.txt`` list names."""

from __future__ import annotations

import codecs
import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from core.errors import HooklineError, counted
from core.files.paths import user_path
from core.files.regular_file import exists, is_file, is_folder, read_regular
from core.files.windows_paths import existing, hint
from core.media.matching import files_below, matching, nearest_names, sequence
from core.media.suffixes import SUPPORTED, PassedOver, is_image, is_video, unknown_kind

MAX_LIST = 1 << 30
"""Maximum bytes of a list: about ten million paths."""


def files_of(text: str, passed: PassedOver) -> list[Path]:
    """Return the image and video files that one entry of ``source=`` names.

    Args:
        text: A file, a folder, a pattern or a list.
        passed: Collects the other files of a folder or pattern.

    Raises:
        HooklineError: It does not exist, is not a regular file or folder, or names no image or video.
    """
    path = user_path(text)
    if is_folder(path):
        return _folder(path, passed)
    if is_file(path):
        return _listed(path) if path.suffix.lower() == ".txt" else [_media(path)]
    if exists(path):
        raise HooklineError(f"the source '{text}' is a FIFO, a socket or a device", "give a regular file or a camera")
    if (numbered := sequence(path)) is not None:
        return _numbered(path, numbered)
    if glob.has_magic(text):
        return _matching(path, passed)
    raise HooklineError(f"no such source '{text}'", nearest_names(path))


def _folder(folder: Path, passed: PassedOver) -> list[Path]:
    found = sorted(passed.selected(files_below(plain_path(folder)), _is_media), key=lambda path: path.as_posix())
    if not found:
        raise HooklineError(f"no images or video in folder '{folder}'", _supported(passed))
    return found


def _matching(pattern: Path, passed: PassedOver) -> list[Path]:
    found = [plain_path(path) for path in matching(pattern)]
    media = passed.selected(filter(is_file, found), _is_media)
    if not media:
        raise HooklineError(f"no image or video matches '{pattern}'{_other_matches(found)}", _supported(passed))
    return media


def _other_matches(found: Sequence[Path]) -> str:
    folders = sum(map(is_folder, found))
    files = len(found) - folders
    parts = [f"{counted(files, 'file')} of other kinds"] if files else []
    if folders:
        parts.append(counted(folders, "folder"))
    return f"; it matches {' and '.join(parts)}" if parts else ""


def _supported(passed: PassedOver) -> str:
    return "; ".join(filter(None, [passed.line(), f"supported: {SUPPORTED}"]))


def _numbered(pattern: Path, found: list[Path]) -> list[Path]:
    if not found:
        raise HooklineError(f"no file matches the numbered sequence '{pattern}'", nearest_names(pattern))
    return [_media(path) for path in found]


def _listed(path: Path) -> list[Path]:
    folder = str(path.parent)
    files = [_entry(path, folder, number, entry) for number, entry in list_entries(path)]
    if not files:
        raise HooklineError(f"the list '{path}' names no files", "write one path per line")
    return files


def list_entries(path: Path) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line of a list. Blank lines, and comments, which begin with ``#``, are left out.

    Raises:
        HooklineError: The list cannot be read, is not a regular file, or is too large.
    """
    try:
        content = read_regular(path, MAX_LIST)
    except OSError as error:
        message = f"cannot read the list '{path}' ({error.strerror})"
        raise HooklineError(message, "give a readable text file with one path per line") from error
    lines = os.fsdecode(content.removeprefix(codecs.BOM_UTF8)).splitlines()
    return ((number, entry) for number, line in enumerate(lines, start=1) if _is_entry(entry := line.strip()))


def _is_entry(line: str) -> bool:
    return bool(line) and not line.startswith("#")


def _entry(listing: Path, folder: str, number: int, entry: str) -> Path:
    for candidate in (os.path.join(folder, entry), entry):  # noqa: PTH118  ten times faster; lists have millions of entries
        if found := existing(candidate, is_file):
            return _media(Path(found))
    raise HooklineError(
        f"line {number} of '{listing}': no such file '{entry}'", hint(entry, nearest_names(listing.parent / entry))
    )


def _media(path: Path) -> Path:
    if not _is_media(path):
        raise unknown_kind(path)
    return plain_path(path)


def plain_path(path: Path) -> Path:
    """Return ``path`` absolute and without ``..``: one spelling per file, below every folder that it names.

    A symbolic link as the last component is kept, because its name is the name of the image. ``link/..`` is resolved
    as the operating system does: the parent of the link's target.
    """
    absolute = path.absolute()
    if ".." not in absolute.parts:
        return absolute
    if absolute.name == "..":
        return Path(os.path.realpath(absolute))
    return Path(os.path.realpath(absolute.parent), absolute.name)


def _is_media(path: Path) -> bool:
    return is_image(path) or is_video(path)
