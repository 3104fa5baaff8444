"""What ``source=`` accepts, as images: ``for frame in hookline.frames("street.mp4")``."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from core.errors import unknown
from core.execution.console import Console
from core.media.frame import Frame
from core.media.source import Source, list_source
from core.media.tolerance import MAX_PIXELS, OnError, Tolerance
from core.options.ranges import Range, out_of_range
from hookline.options import plain

_COUNT = Range(1, whole=True)
"""Possible values of ``stride``, ``limit`` and ``max_pixels``."""
_SECONDS = Range(0)
"""Possible values of ``reconnect``."""


def frames(
    source: object,
    *,
    stride: int = 1,
    limit: int | None = None,
    on_error: str = "auto",
    max_pixels: int = MAX_PIXELS,
    reconnect: float = 0.0,
    warn: Callable[[str], None] | None = None,
) -> Iterator[Frame]:
    """Read the images of a source, or the frames of its video, one after another.

    A video is decoded while it is read: memory does not depend on its length. Of a camera or a network stream the
    newest frame is yielded whenever the next one is asked for.

    Args:
        source: A :class:`Source`, or what :func:`list_source` takes.
        stride: Of a video or a stream, yield every ``stride``-th frame.
        limit: Maximum number of images or frames; None: all.
        on_error: ``auto``, ``skip`` or ``stop``: what happens to a file that cannot be read, as ``predict.on_error``.
        max_pixels: Maximum width x height of an image or a frame; a larger one cannot be read.
        reconnect: Seconds to connect again to a stream that was interrupted; 0: the interruption is its end.
        warn: Called with one line per skipped or damaged file and per gap of a stream. In a stage, pass
            ``context.warn``; None prints on standard error.

    Returns:
        An iterator of frames. Files are opened when they are reached; close it, or leave it to be collected, to stop.

    Raises:
        HooklineError: The source does not exist or an argument is out of range; while it is read, too many
            files cannot be read, or a stream cannot be opened.
    """
    for name, value, possible in (
        ("stride", stride, _COUNT),
        ("limit", 1 if limit is None else limit, _COUNT),
        ("max_pixels", max_pixels, _COUNT),
        ("reconnect", reconnect, _SECONDS),
    ):
        if plain(value) not in possible:
            raise out_of_range(name, plain(value), possible)
    if not isinstance(on_error, str) or on_error not in {item.value for item in OnError}:
        raise unknown("on_error", on_error, [item.value for item in OnError])
    listed = source if isinstance(source, Source) else list_source(source)
    tolerance = Tolerance(None, warn or Console().warn, OnError(on_error), max_pixels=max_pixels)
    return _read(listed, tolerance, stride=stride, limit=limit, reconnect=reconnect)


def frame_count(source: object, *, stride: int = 1) -> int | None:
    """Return the number of images or frames in a source, e.g. for ``context.progress``.

    Args:
        source: A :class:`Source`, or what :func:`list_source` takes.
        stride: As for :func:`frames`.

    Returns:
        The number that :func:`frames` yields if every file can be read, by the headers of videos; None for a stream.

    Raises:
        HooklineError: The source does not exist, or ``stride`` is out of range.
    """
    from core.media.reader import frame_count as count

    if plain(stride) not in _COUNT:
        raise out_of_range("stride", plain(stride), _COUNT)
    return count(source if isinstance(source, Source) else list_source(source), stride=stride)


def _read(source: Source, tolerance: Tolerance, *, stride: int, limit: int | None, reconnect: float) -> Iterator[Frame]:
    """Import the decoders with the first frame; at the end report further skipped files and why a stream ended."""
    from core.media.reader import files_read, read_frames

    tolerance.total = files_read(source)
    yield from read_frames(source, tolerance, stride=stride, limit=limit, reconnect=reconnect)
    tolerance.conclude()
    if tolerance.ended:
        tolerance.warn(f"the stream '{source.text}' ended: {tolerance.ended}")
