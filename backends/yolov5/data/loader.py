"""Batches made by worker processes, in shared memory."""

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
from backends.yolov5.data.samples import Draw, Picture, TrainingBatch
from backends.yolov5.errors import TrainingError


class Slots:
    """Memory shared with every process forked later.

    Anonymous memory is not bounded by ``/dev/shm``, which containers keep small, and is used again, so that
    its pages are paid for once.

    Args:
        count: Slots.
        size: Bytes each.
    """

    def __init__(self, count: int, size: int) -> None:
        self._memory = [mmap.mmap(-1, size) for _ in range(count)]

    def __len__(self) -> int:
        return len(self._memory)

    def view(self, slot: int, shape: tuple[int, ...]) -> Picture:
        """The first bytes of a slot as a uint8 array of this shape, not initialised."""
        return np.frombuffer(self._memory[slot], np.uint8, int(np.prod(shape))).reshape(shape)


AHEAD = 2
"""Batches that each worker prepares in advance."""
HELD = 2
"""Batches that the consumer may hold: the one it got last and the one before."""


class Loader:
    """The batches of any epoch, the same ones for every number of workers.

    With workers, the images of a batch lie in memory that is written again once two more batches were asked for.

    Args:
        pictures: What to show.
        sampler: Which of them, in which batches.
        workers: Processes that make batches in advance; 0: make each when it is asked for.
        pin: Give images in page-locked memory of their own, for copies to a GPU that run beside its work; another
            thread copies them there, one batch ahead.
    """

    def __init__(self, pictures: TrainingImages, sampler: EpochSampler, *, workers: int, pin: bool = False) -> None:
        self._pictures, self._sampler, self._pin = pictures, sampler, pin
        self._slots = _room(pictures, sampler, AHEAD * workers + HELD) if workers else None
        self._schedule = _BatchQueue(AHEAD * workers + HELD)
        self._loader: DataLoader[_Made] = DataLoader(
            _Maker(pictures, self._slots),
            batch_sampler=self._schedule,  # type: ignore[arg-type]
            num_workers=workers,
            collate_fn=_as_it_is,  # type: ignore[arg-type]
            worker_init_fn=_prepare_worker if workers else None,
            persistent_workers=workers > 0,
            prefetch_factor=AHEAD if workers else None,
            multiprocessing_context="fork" if workers else None,
        )

    def __len__(self) -> int:
        """Batches an epoch, for this process."""
        return len(self._sampler)

    def epoch(self, number: int, weights: NDArray[np.float64] | None = None) -> Iterator[TrainingBatch]:
        """The batches of epoch ``number``.

        Args:
            number: From 0.
            weights: How often to draw each sample; see :meth:`EpochSampler.batches`.

        Raises:
            TrainingError: A picture cannot be read.
        """
        batches = self._sampler.batches(number, weights)
        self._schedule.batches = batches
        with _interrupts_held():
            made = iter(self._loader)  # forks the workers, the first time
        try:
            given = (self._batch(draws, result) for draws, result in zip(batches, made, strict=True))
            yield from _pinned(given) if self._pin else given
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        """End the workers; another epoch would start new ones.

        Workers left to the garbage collector may have lost the queue that tells them to end, which it then
        waits five seconds for each.
        """
        iterator, self._loader._iterator = self._loader._iterator, None
        if isinstance(iterator, _MultiProcessingDataLoaderIter):
            iterator._shutdown_workers()

    def _batch(self, draws: Sequence[Draw], made: _Made) -> TrainingBatch:
        if made.problem is not None:
            raise TrainingError(*made.problem)
        pixels = made.pixels
        if pixels is None and self._slots is not None:
            pixels = self._slots.view(made.slot, made.shape)
        images = torch.from_numpy(pixels)
        paths = [self._pictures.samples[draw.index].picture for draw in draws]
        return TrainingBatch(images, torch.from_numpy(made.targets), paths)


class _WorkerTask(NamedTuple):
    slot: int
    draws: Sequence[Draw]


class _Made(NamedTuple):
    """A batch: its pixels lie in ``slot`` unless they are here, and ``problem`` is what a TrainingError said."""

    slot: int
    shape: tuple[int, int, int, int]
    targets: NDArray[np.float32]
    pixels: Picture | None = None
    problem: tuple[str, str] | None = None


class _BatchQueue:
    """Hands out the batches of the current epoch, slot after slot in turn, over all epochs."""

    def __init__(self, slots: int) -> None:
        self.batches: Sequence[Sequence[Draw]] = ()
        self._slots = cycle(range(slots))

    def __iter__(self) -> Iterator[_WorkerTask]:
        return (_WorkerTask(next(self._slots), draws) for draws in self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class _Maker(Dataset[_Made]):
    """Makes batches; runs in the workers, or in the parent where there are none."""

    def __init__(self, pictures: TrainingImages, slots: Slots | None) -> None:
        self._pictures, self._slots = pictures, slots

    def __getitems__(self, work: _WorkerTask) -> _Made:
        shape = (len(work.draws), 3, *self._pictures.shape(work.draws[0]))
        images = self._slots.view(work.slot, shape) if self._slots else np.empty(shape, np.uint8)
        rows = [np.empty((0, 6), np.float32)]
        try:
            for number, (draw, planes) in enumerate(zip(work.draws, images, strict=True)):
                targets = self._pictures.write(draw, planes)
                rows.append(np.insert(targets, 0, number, axis=1))
        except TrainingError as error:  # sent as words: the parent tells it in one line, without two tracebacks
            return _Made(work.slot, shape, rows[0], images, problem=(error.message, error.hint))
        return _Made(work.slot, shape, np.concatenate(rows), None if self._slots else images)


def _pinned(batches: Iterable[TrainingBatch]) -> Iterator[TrainingBatch]:
    """The batches in page-locked memory, each copied there while the one before is in use."""
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


def _room(pictures: TrainingImages, sampler: EpochSampler, count: int) -> Slots:
    height, width = pictures.imgsz, pictures.imgsz
    for shape in (sampler.shapes or {}).values():
        height, width = max(height, shape[0]), max(width, shape[1])
    return Slots(count, sampler.largest_batch * 3 * height * width)


def _as_it_is(made: _Made) -> _Made:
    return made


def _prepare_worker(_number: int) -> None:
    """One thread each; Ctrl-C is the parent's to act on, which then ends its workers.

    PyTorch ends a worker whose parent changes, but takes whoever is the parent now for its own: one that was killed
    while the worker started would never be missed.
    """
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        os._exit(1)
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Workers forked in here never see a Ctrl-C, not even before they are prepared."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
