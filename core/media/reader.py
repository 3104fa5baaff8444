"""Read the frames of any source in order. Heavy: imports OpenCV, PyAV and NumPy."""

from __future__ import annotations

import random
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from types import MappingProxyType

from core.errors import HooklineError, counted
from core.media.ahead import in_order
from core.media.choices import Depth
from core.media.frame import CORRUPT, Frame
from core.media.picture import DecodedImage, UnreadableError, read_checked
from core.media.source import Source, SourceKind
from core.media.stream import stream_frames
from core.media.tolerance import Tolerance, Unreadable
from core.media.video import UnreadableVideoError, count_frames, video_frames
from core.media.video_report import VideoReport, record

NOTHING: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True)
class Wanted:
    """Selects frames of video files.

    Attributes:
        stride: Read every ``stride``-th frame of a file.
        indices: Read only these, counted across all files; None for all.
    """

    stride: int = 1
    indices: Collection[int] | None = None

    def takes(self, index: int, number: int) -> bool:
        """Return whether to read the frame at ``index`` across all files, ``number`` in its file."""
        return number % self.stride == 0 and (self.indices is None or index in self.indices)


def read_frames(
    source: Source,
    tolerance: Tolerance,
    *,
    stride: int = 1,
    limit: int | None = None,
    reconnect: float = 0.0,
    finished: Mapping[str, int] | None = None,
    exact: bool = True,
    threads: int = 1,
) -> Iterator[Frame]:
    """Yield the frames of a source in order; of a live stream, the newest frame on each request.

    Args:
        source: Result of :func:`core.media.source.list_source`.
        tolerance: Collects unreadable and damaged files, and gaps and dropped frames of a live stream.
        stride: Yield only every ``stride``-th frame of a video or stream.
        limit: Maximum number of frames.
        reconnect: Seconds without a frame during which reconnection to a live source is attempted; 0 ends the source at
            its first interruption.
        finished: Files to skip: name in the source -> index after its last frame. Indices of the other frames are the
            same as without skipping.
        exact: Flag every corrupt frame of a video file; see :func:`core.media.video.video_frames`.
        threads: Number of threads that decode image files.

    Raises:
        HooklineError: No file can be read, too many files cannot be read, or a stream cannot be opened.
    """
    done = finished or {}
    if source.kind is SourceKind.stream:
        frames = stream_frames(source, tolerance, stride, reconnect)
    elif source.kind is SourceKind.video:
        frames = _videos(source, tolerance, Wanted(stride=stride), done, exact=exact)
    else:
        indices = [index for index, name in enumerate(source.names) if name not in done]
        images = [(index, source.names[index], source.files[index]) for index in indices]
        frames = read_images(images, tolerance, readable=bool(done), threads=threads)
    return _limited(frames, limit)


def _limited(frames: Generator[Frame, None, None], limit: int | None) -> Iterator[Frame]:
    with closing(frames):  # report the damage of a partly read file now
        yield from islice(frames, limit)


def sample_frames(source: Source, count: int, seed: int, tolerance: Tolerance, *, threads: int = 1) -> Iterator[Frame]:
    """Yield ``count`` random frames without replacement, in the order of the source; all if it has fewer.

    Only the selected image files are read. A video is decoded once and only its selected frames are converted, so that
    memory does not depend on its length.

    Raises:
        HooklineError: As :func:`read_frames`; also for a stream, which cannot be sampled.
    """
    if source.kind is SourceKind.stream:
        raise HooklineError(f"cannot sample frames of the stream '{source.text}'", "record it and give the video file")
    if source.kind is SourceKind.pictures:
        drawn = _sampled(len(source.files), count, seed)
        images = [(index, source.names[index], source.files[index]) for index in drawn]
        return read_images(images, tolerance, threads=threads)
    return _selected(source, set(_sampled(_total(source), count, seed)), tolerance)


def spread_frames(source: Source, count: int, tolerance: Tolerance) -> Iterator[Frame]:
    """Yield ``count`` frames of a video at equal intervals, starting half an interval in; all if it has fewer.

    Raises:
        HooklineError: A video cannot be opened or has no frames.
    """
    total = _total(source)
    count = min(count, total)
    return _selected(source, {(2 * number + 1) * total // (2 * count) for number in range(count)}, tolerance)


def frame_count(source: Source, *, stride: int = 1) -> int | None:
    """Return the number of frames that :func:`read_frames` will yield; None for a stream.

    A video that cannot be opened counts as 0 frames; reading it reports why.
    """
    if source.kind is SourceKind.stream:
        return None
    if source.kind is SourceKind.pictures:
        return len(source.files)
    return sum(-(-_count(path) // stride) for path in source.files)


def files_read(source: Source, count: int | None = None) -> int | None:
    """Return the number of files to read for ``count`` images or frames, for ``Tolerance.total``; None for a stream."""
    if source.kind is SourceKind.stream:
        return None
    files = len(source.files)
    return files if count is None or source.kind is SourceKind.video else min(files, count)


def _sampled(total: int, count: int, seed: int) -> list[int]:
    return sorted(random.Random(seed).sample(range(total), min(count, total)))


def read_images(
    images: Sequence[tuple[int, str, Path]], tolerance: Tolerance, *, readable: bool = False, threads: int = 1
) -> Generator[Frame, None, None]:
    """Yield the readable image files in order.

    Args:
        images: Index, name and path of each image.
        tolerance: Collects unreadable and damaged images.
        readable: Whether an earlier run could read another image of the source.
        threads: Number of decoding threads.

    Raises:
        HooklineError: No image can be read, or too many cannot be read.
    """
    decode = partial(_decoded, tolerance.max_pixels, tolerance.depth)
    with closing(in_order(decode, (path for _, _, path in images), threads)) as results:
        for (index, name, path), result in zip(images, results, strict=True):
            if isinstance(result, UnreadableError):
                tolerance.skip(Unreadable(name, str(result)))
                continue
            readable = True
            if result.damage:
                tolerance.damage(name, result.damage)
            tolerance.pixels.add(result.alpha, result.depth)
            yield Frame(index, name, path, 0, result.pixels, damaged=result.damage)
    if images and not readable:
        raise tolerance.exceeded(len(images))


def _decoded(max_pixels: int, depth: Depth, path: Path) -> DecodedImage | UnreadableError:
    try:
        return read_checked(path, max_pixels, depth)
    except UnreadableError as error:
        return error


def _total(source: Source) -> int:
    return sum(map(_count, source.files))


def _count(path: Path) -> int:
    try:
        return count_frames(path)
    except UnreadableVideoError:
        return 0


def _selected(source: Source, indices: set[int], tolerance: Tolerance) -> Iterator[Frame]:
    last, read = max(indices, default=0), 0
    for frame in _videos(source, tolerance, Wanted(indices=indices)):
        read += 1
        yield frame
        if frame.index == last:
            return
    if read < len(indices):
        tolerance.warn(f"only {read} of {counted(len(indices), 'selected frame')} of '{source.text}' could be read")


def _videos(
    source: Source,
    tolerance: Tolerance,
    wanted: Wanted,
    finished: Mapping[str, int] = NOTHING,
    *,
    exact: bool = True,
) -> Generator[Frame, None, None]:
    """Yield the wanted frames of all files."""
    start, several = 0, len(source.files) > 1
    readable = bool(finished)
    for path, name in zip(source.files, source.names, strict=True):
        after, last = start + (_count(path) if several else 0), -1
        if name in finished:
            start = max(after, finished[name])
            continue
        try:
            for frame in _video(path, name, tolerance, start, wanted, exact=exact):
                after, last = max(after, frame.index + 1), frame.index
                yield frame
            readable, tolerance.read_to_end[name] = True, last
        except UnreadableVideoError as error:
            if not several:
                raise
            tolerance.skip(Unreadable(name, error.reason))
        start = after
    if not readable:
        raise tolerance.exceeded(len(source.files))


def _video(path: Path, name: str, tolerance: Tolerance, start: int, wanted: Wanted, *, exact: bool) -> Iterator[Frame]:
    """Yield frames of one file, the first with index ``start``; report its damage at the end, also when left early."""
    report = VideoReport()
    try:
        for number, image, seconds, rate, corrupt in video_frames(
            path, partial(_in_file, wanted, start), report, tolerance.max_pixels, exact=exact
        ):
            damage = CORRUPT if corrupt else ""
            yield Frame(start + number, f"{name}#{number}", path, number, image, seconds, rate, damage)
    finally:
        record(name, report, tolerance)


def _in_file(wanted: Wanted, start: int, number: int) -> bool:
    return wanted.takes(start + number, number)
