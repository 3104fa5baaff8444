"""Frames of any source, one after another. Heavy: imports OpenCV, PyAV and NumPy."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice

from core.errors import HooklineError
from core.media.frame import Frame
from core.media.picture import UnreadableError, read_picture
from core.media.source import Source, SourceKind
from core.media.stream import stream_frames
from core.media.tolerance import Tolerance, Unreadable
from core.media.video import count_frames, video_frames


def read_frames(source: Source, tolerance: Tolerance, *, stride: int = 1, limit: int | None = None) -> Iterator[Frame]:
    """Every frame of the source, in order; of a live stream the latest one whenever the next is asked for.

    Args:
        source: From :func:`core.media.source.list_source`.
        tolerance: Takes in what cannot be read, and the frames that a stream dropped.
        stride: Of a video or stream, give each ``stride``-th frame only.
        limit: Stop after this many frames.

    Raises:
        HooklineError: A video without frames, a stream that cannot be opened, too many broken pictures.
    """
    if source.kind is SourceKind.stream:
        frames = stream_frames(source, tolerance, stride)
    elif source.kind is SourceKind.video:
        frames = _videos(source, tolerance, lambda _, number: number % stride == 0)
    else:
        frames = _pictures(source, tolerance, range(len(source.files)))
    return islice(frames, limit)


def sample_frames(source: Source, count: int, seed: int, tolerance: Tolerance) -> Iterator[Frame]:
    """``count`` frames drawn without replacement, in the order of the source; all if it has fewer.

    Pictures that are not drawn are not read; a video is decoded once and only the frames that were
    drawn are converted, so that memory does not depend on its length.

    Raises:
        HooklineError: As :func:`read_frames`; a stream cannot be sampled.
    """
    if source.kind is SourceKind.stream:
        raise HooklineError(f"cannot draw frames from the stream '{source.text}'", "record it and give the video file")
    if source.kind is SourceKind.pictures:
        return _pictures(source, tolerance, _drawn(len(source.files), count, seed))
    return _chosen(source, set(_drawn(_total(source), count, seed)), tolerance)


def spread_frames(source: Source, count: int, tolerance: Tolerance) -> Iterator[Frame]:
    """``count`` frames of a video at equal distances, the first half a distance from the start; all if it has fewer.

    Raises:
        HooklineError: A video cannot be opened or has no frames.
    """
    total = _total(source)
    count = min(count, total)
    return _chosen(source, {(2 * number + 1) * total // (2 * count) for number in range(count)}, tolerance)


def frame_count(source: Source, *, stride: int = 1) -> int | None:
    """How many frames :func:`read_frames` will give, None where only reading can tell."""
    if source.kind is SourceKind.stream:
        return None
    if source.kind is SourceKind.pictures:
        return len(source.files)
    return sum(-(-count_frames(path) // stride) for path in source.files)


def _drawn(total: int, count: int, seed: int) -> list[int]:
    return sorted(random.Random(seed).sample(range(total), min(count, total)))


def _pictures(source: Source, tolerance: Tolerance, indices: range | list[int]) -> Iterator[Frame]:
    for index in indices:
        path, name = source.files[index], source.names[index]
        try:
            picture = read_picture(path)
        except UnreadableError as error:
            tolerance.skip(Unreadable(name, str(error)))
            continue
        yield Frame(index=index, name=name, path=path, number=0, picture=picture)


def _total(source: Source) -> int:
    return sum(map(count_frames, source.files))


def _chosen(source: Source, drawn: set[int], tolerance: Tolerance) -> Iterator[Frame]:
    last, given = max(drawn, default=0), 0
    for frame in _videos(source, tolerance, lambda index, _: index in drawn):
        given += 1
        yield frame
        if frame.index == last:
            return
    tolerance.warn(f"{given} of {len(drawn)} frames drawn from '{source.text}' could be read")


def _videos(source: Source, tolerance: Tolerance, wanted: Callable[[int, int], bool]) -> Iterator[Frame]:
    """Frames of all files; ``wanted`` is asked with the index over all of them and the number in the file."""
    start = 0
    for path, name in zip(source.files, source.names, strict=True):
        after = start + (count_frames(path) if len(source.files) > 1 else 0)
        for number, picture, seconds, rate in video_frames(path, partial(_in_file, wanted, start), tolerance.warn):
            index = start + number
            after = max(after, index + 1)
            yield Frame(index, f"{name}#{number}", path, number, picture, seconds, rate)
        start = after


def _in_file(wanted: Callable[[int, int], bool], start: int, number: int) -> bool:
    return wanted(start + number, number)
