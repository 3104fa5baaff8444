"""Images in memory: from files, from every source that ``source=`` accepts, and from samples."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import HooklineError, unknown
from core.execution.console import Console
from core.fetch.assets import asset
from core.files.paths import user_path
from core.media.choices import AUTO_DEPTH, FULL_DEPTH, MAX_DEPTH, MAX_PIXELS, MIN_DEPTH, Depth, OnError
from core.media.frame import Frame
from core.media.source import Source, list_source
from core.media.tolerance import Tolerance
from core.options.ranges import Range
from core.process.environment import cache_home
from hookline.options import COUNT, check_range

if TYPE_CHECKING:
    from hookline.model import Image

_SECONDS = Range(0)
"""Valid values of ``reconnect``."""
_DEPTH = Range(MIN_DEPTH, MAX_DEPTH, words=(AUTO_DEPTH, FULL_DEPTH))
"""Valid values of ``depth``."""


def read_image(path: str | os.PathLike[str], *, depth: Depth = AUTO_DEPTH) -> Image:
    """Read an image file: uint8 [height, width, 3] with channels B, G, R, rotated by its EXIF orientation.

    Args:
        path: A file in a format that OpenCV reads, or in HEIC if pillow-heif is installed.
        depth: The value that becomes 255 in an image with more than 8 bits per channel, as ``image.depth``: ``auto``,
            ``full`` or a number.

    Raises:
        HooklineError: The file is missing, damaged, or too large, or ``depth`` is out of range.
    """
    check_range("depth", depth, _DEPTH)
    from core.media.picture import UnreadableError, read_picture

    try:
        return read_picture(user_path(path), depth=depth)
    except UnreadableError as error:
        raise HooklineError(
            f"'{os.fspath(path)}' cannot be read: {error}", "give an image that opens in a viewer"
        ) from error


def sample(name: str) -> Path:
    """Return the path of a sample file; the first call downloads it into the cache.

    Args:
        name: ``bus`` or ``zidane`` (photos), or ``street`` (a video of 250 frames). They belong to other projects.

    Raises:
        HooklineError: The name is unknown, or the file cannot be downloaded. The message says where to put it by hand.
    """
    return asset(name, cache_home(), Console())


def frames(
    source: object,
    *,
    stride: int = 1,
    limit: int | None = None,
    on_error: str = "auto",
    max_pixels: int = MAX_PIXELS,
    depth: Depth = AUTO_DEPTH,
    reconnect: float = 0.0,
    warn: Callable[[str], None] | None = None,
) -> Iterator[Frame]:
    """Iterate over the images of a source, or over the frames of a video or stream.

    A video is decoded while it is read, so that memory does not depend on its length. A camera or network stream yields
    its newest frame at each step.

    Args:
        source: A :class:`Source`, or any argument of :func:`list_source`.
        stride: Yield every ``stride``-th frame of a video or stream.
        limit: Maximum number of images or frames; None for all.
        on_error: What to do with unreadable files, as ``predict.on_error``: ``auto``, ``skip`` or ``stop``.
        max_pixels: Maximum width x height of an image or frame; a larger one counts as unreadable.
        depth: As for :func:`read_image`.
        reconnect: Seconds to reconnect to an interrupted stream; with 0, the interruption is its end.
        warn: Called with one line per skipped or damaged file, per gap of a stream, and for files in a folder that are
            not read. In a stage, pass ``context.warn``. None prints to standard error.

    Returns:
        An iterator of frames, which opens files one by one. Close or delete it to stop.

    Raises:
        HooklineError: The source does not exist or an argument is out of range. During iteration: too many files
            cannot be read, or a stream cannot be opened.
    """
    for name, value, possible in (
        ("stride", stride, COUNT),
        ("limit", 1 if limit is None else limit, COUNT),
        ("max_pixels", max_pixels, COUNT),
        ("depth", depth, _DEPTH),
        ("reconnect", reconnect, _SECONDS),
    ):
        check_range(name, value, possible)
    if not isinstance(on_error, str) or on_error not in {item.value for item in OnError}:
        raise unknown("on_error", on_error, [item.value for item in OnError])
    listed = source if isinstance(source, Source) else list_source(source)
    tolerance = Tolerance(None, warn or Console().warn, OnError(on_error), max_pixels=max_pixels, depth=depth)
    return _read(listed, tolerance, stride=stride, limit=limit, reconnect=reconnect)


def frame_count(source: object, *, stride: int = 1) -> int | None:
    """Return the number of images or frames in a source, e.g. for ``context.progress``.

    Args:
        source: A :class:`Source`, or any argument of :func:`list_source`.
        stride: As for :func:`frames`.

    Returns:
        The number of frames that :func:`frames` yields if all files are readable, according to the headers of videos;
        None for a stream.

    Raises:
        HooklineError: The source does not exist, or ``stride`` is out of range.
    """
    from core.media.reader import frame_count as count

    check_range("stride", stride, COUNT)
    return count(source if isinstance(source, Source) else list_source(source), stride=stride)


def _read(source: Source, tolerance: Tolerance, *, stride: int, limit: int | None, reconnect: float) -> Iterator[Frame]:
    """Yield frames; at the end, report the remaining skipped files and why a stream ended."""
    from core.media.reader import files_read, read_frames  # imports the decoders

    for note in source.notes:
        tolerance.warn(note)
    tolerance.total = files_read(source)
    yield from read_frames(source, tolerance, stride=stride, limit=limit, reconnect=reconnect)
    tolerance.conclude()
    if tolerance.ended:
        tolerance.warn(f"the stream '{source.text}' ended: {tolerance.ended}")
