"""Data loader: batches made by worker processes in shared memory."""

from __future__ import annotations

import mmap
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import cycle
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from backends.yolov5.data.images import TrainingImages
from backends.yolov5.data.sampler import EpochSampler
from backends.yolov5.data.samples import REGION, Draw, Image, TrainingBatch
from backends.yolov5.errors import TrainingError

PREFETCH = 2
"""Batches that each worker prepares in advance (``prefetch_factor``)."""
HELD = 2
"""Batches that the consumer may hold: the latest one and the one before it."""


class Slots:
    """Memory for batches, shared with all processes that are forked later.

    Anonymous memory is not limited by ``/dev/shm``, which is small in containers. It is reused, so its pages are
    allocated only once.

    Args:
        count: Number of slots.
        size: Bytes per slot.
    """

    def __init__(self, count: int, size: int) -> None:
        self._memory = [mmap.mmap(-1, size) for _ in range(count)]

    def __len__(self) -> int:
        return len(self._memory)

    def view(self, slot: int, shape: tuple[int, ...]) -> Image:
        """Return the first bytes of a slot as a uint8 array of this shape, not initialised."""
        return np.frombuffer(self._memory[slot], np.uint8, int(np.prod(shape))).reshape(shape)


class Loader:
    """Loads the batches of each epoch; they are the same for any number of workers.

    With workers, the memory of a batch is overwritten after two more batches were requested.

    Args:
        images: The training images.
        sampler: Order and batches.
        workers: Number of worker processes; 0 makes each batch in this process.
        pin: Copy images into page-locked memory, one batch ahead in another thread, so that copies to the GPU overlap
            with its work.
    """

    def __init__(self, images: TrainingImages, sampler: EpochSampler, *, workers: int, pin: bool = False) -> None:
        self._images, self._sampler, self._pin = images, sampler, pin
        self._slots = _slots_for(images, sampler, PREFETCH * workers + HELD) if workers else None
        self._schedule = _BatchQueue(PREFETCH * workers + HELD)
        self._loader: DataLoader[_MadeBatch] = DataLoader(
            _BatchMaker(images, self._slots),
            batch_sampler=self._schedule,  # type: ignore[arg-type]
            num_workers=workers,
            collate_fn=_unchanged,  # type: ignore[arg-type]
            worker_init_fn=_prepare_worker if workers else None,
            persistent_workers=workers > 0,
            prefetch_factor=PREFETCH if workers else None,
            multiprocessing_context="fork" if workers else None,
        )

    def __len__(self) -> int:
        """Return the number of batches per epoch of this process."""
        return len(self._sampler)

    def epoch(self, number: int, weights: NDArray[np.float64] | None = None) -> Iterator[TrainingBatch]:
        """Yield the batches of epoch ``number``.

        Args:
            number: Epoch from 0.
            weights: Weights of the samples; see :meth:`EpochSampler.batches`.

        Raises:
            TrainingError: An image cannot be read.
        """
        batches = self._sampler.batches(number, weights)
        self._schedule.batches = batches
        with _interrupts_blocked():
            made = iter(self._loader)  # forks the workers, the first time
        try:
            given = (self._batch(draws, result) for draws, result in zip(batches, made, strict=True))
            yield from _pinned(given) if self._pin else given
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        """Stop the workers; a further epoch starts new ones.

        If it is left to the garbage collector, PyTorch may wait five seconds for each worker.
        """
        iterator, self._loader._iterator = self._loader._iterator, None
        if isinstance(iterator, _MultiProcessingDataLoaderIter):
            iterator._shutdown_workers()

    def _batch(self, draws: Sequence[Draw], made: _MadeBatch) -> TrainingBatch:
        if made.problem is not None:
            raise TrainingError(*made.problem)
        pixels = made.pixels
        if pixels is None and self._slots is not None:
            pixels = self._slots.view(made.slot, made.shape)
        images = torch.from_numpy(pixels)
        paths = [self._images.samples[draw.index].path for draw in draws]
        rows = torch.from_numpy(made.rows)
        is_region = rows[:, 1] == REGION
        return TrainingBatch(images, rows[~is_region], paths, rows[is_region][:, [0, 2, 3, 4, 5]])


class _WorkerTask(NamedTuple):
    slot: int
    draws: Sequence[Draw]


class _MadeBatch(NamedTuple):
    """A batch: its pixels are in ``slot`` or in ``pixels``; ``problem`` has message and hint of a TrainingError.

    ``rows`` are those of :meth:`TrainingImages.write`, with the index of the image in front: float32 [n, 6].
    """

    slot: int
    shape: tuple[int, int, int, int]
    rows: NDArray[np.float32]
    pixels: Image | None = None
    problem: tuple[str, str] | None = None


class _BatchQueue:
    """Iterates over the batches of the current epoch and assigns slots in rotation."""

    def __init__(self, slots: int) -> None:
        self.batches: Sequence[Sequence[Draw]] = ()
        self._slots = cycle(range(slots))

    def __iter__(self) -> Iterator[_WorkerTask]:
        return (_WorkerTask(next(self._slots), draws) for draws in self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class _BatchMaker(Dataset[_MadeBatch]):
    """Makes batches, in the workers or, without workers, in the parent."""

    def __init__(self, images: TrainingImages, slots: Slots | None) -> None:
        self._images, self._slots = images, slots

    def __getitems__(self, task: _WorkerTask) -> _MadeBatch:
        shape = (len(task.draws), 3, *self._images.shape(task.draws[0]))
        images = self._slots.view(task.slot, shape) if self._slots else np.empty(shape, np.uint8)
        rows = [np.empty((0, 6), np.float32)]
        try:
            for number, (draw, planes) in enumerate(zip(task.draws, images, strict=True)):
                rows.append(np.insert(self._images.write(draw, planes), 0, number, axis=1))
        except TrainingError as error:  # sent as text: the parent prints one line without tracebacks
            return _MadeBatch(task.slot, shape, rows[0], images, problem=(error.message, error.hint))
        return _MadeBatch(task.slot, shape, np.concatenate(rows), None if self._slots else images)


def _pinned(batches: Iterable[TrainingBatch]) -> Iterator[TrainingBatch]:
    """Yield the batches in page-locked memory; each is copied while the previous one is in use."""
    ahead: Future[TrainingBatch] | None = None
    with ThreadPoolExecutor(1, initializer=torch.cuda.set_device, initargs=(torch.cuda.current_device(),)) as thread:
        for batch in batches:
            ready, ahead = ahead, thread.submit(_pin, batch)
            if ready is not None:
                yield ready.result()
        if ahead is not None:
            yield ahead.result()


def _pin(batch: TrainingBatch) -> TrainingBatch:
    return batch._replace(images=batch.images.pin_memory())


def _slots_for(images: TrainingImages, sampler: EpochSampler, count: int) -> Slots:
    height, width = images.imgsz, images.imgsz
    for shape in (sampler.shapes or {}).values():
        height, width = max(height, shape[0]), max(width, shape[1])
    return Slots(count, sampler.largest_batch * 3 * height * width)


def _unchanged(made: _MadeBatch) -> _MadeBatch:
    return made


def _prepare_worker(_number: int) -> None:
    """Use one thread, and leave Ctrl-C to the parent, which stops its workers.

    PyTorch stops a worker if its parent process changes later. It does not notice a parent that was killed while the
    worker started; this function checks that.
    """
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        os._exit(1)
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Block Ctrl-C for workers that are forked in this block, until they are prepared."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
