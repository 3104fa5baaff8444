"""TensorRT's own INT8 calibration, for releases that have it: pictures in, ranges into a cache.

The classes are made at run time, since TensorRT 11 has no bases for them. TensorRT learns of failures in callbacks by
None only, so what they raise is kept and raised after the build.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from backends.gpu.device import Device, view
from backends.trt.bindings import IHostMemory
from backends.trt.timing_cache import write_whole
from core.calibration import read_bounded, read_tensorrt_cache
from core.errors import HooklineError, counted
from core.kinds.session import DeviceArray
from core.reporting import ignore

log = logging.getLogger("hookline")

T = TypeVar("T")
BASES = {"minmax": "IInt8MinMaxCalibrator", "entropy": "IInt8EntropyCalibrator2"}
"""TensorRT's class by our word."""


@dataclass(frozen=True)
class CalibrationCache:
    """What TensorRT found, in its own form; the file's name holds the digest of model, pictures and method."""

    path: Path

    def read(self) -> bytes | None:
        """None where nothing was kept yet, or it is damaged: TensorRT would take what is left of it."""
        if not self.path.is_file():
            return None
        try:
            content = read_bounded(self.path)
            read_tensorrt_cache(content)
        except HooklineError as error:
            log.warning("the calibration cache '%s' is damaged, calibrating again: %s", self.path, error.message)
            return None
        return content

    def write(self, content: bytes) -> None:
        """Keep it; another process never sees a part of it."""
        write_whole(self.path, content)


class Feeder:
    """Carries batches to the device, one at a time, all of one size.

    Args:
        batches: float32 [B, 3, H, W]; one with fewer than B pictures, the last, is left out: TensorRT takes no other.
        batch: B.
        device: Where TensorRT builds.
        done: Told after each batch how many pictures it held.
    """

    def __init__(
        self,
        batches: Iterator[NDArray[np.float32]],
        batch: int,
        device: Device,
        done: Callable[[int], None] = ignore,
    ) -> None:
        self.batch = batch
        self.used = 0
        self._batches, self._device, self._done = batches, device, done
        self._stream: int | None = None
        self._memory: DeviceArray | None = None

    def next(self) -> int | None:
        """Address of the next batch, None after the last. It is valid until the next call.

        Raises:
            HooklineError: Not even one batch is full.
        """
        images = next(self._batches, None)
        if images is None or len(images) < self.batch:
            if not self.used:
                found = counted(0 if images is None else len(images), "image")
                raise HooklineError(
                    f"the calibration has {found}, a batch holds {self.batch}",
                    "give more images, or a smaller build.batch",
                )
            return None
        self.used += len(images)
        self._done(len(images))
        return self._send(np.ascontiguousarray(images))

    def _send(self, images: NDArray[np.float32]) -> int:
        if self._stream is None or self._memory is None:
            self._stream = self._device.new_stream()
            self._memory = self._device.empty(images.shape, images.dtype, self._stream)
        address = view(self._memory).address
        self._device.upload(images.reshape(-1).view(np.uint8), address, self._stream)
        self._device.wait(self._stream)
        return address


class Failure:
    """The first thing that a callback raised."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def guard(self, callback: Callable[[], T]) -> T | None:
        """What ``callback`` gives; None once one has failed."""
        if self.error is not None:
            return None
        try:
            return callback()
        except Exception as error:  # not handled: reraise() raises it unchanged, where TensorRT cannot lose it
            self.error = error
            return None

    def reraise(self) -> None:
        """Raise it, where there is one."""
        if self.error is not None:
            raise self.error


def make_calibrator(trt: ModuleType, method: str, feeder: Feeder, cache: CalibrationCache, failure: Failure) -> object:
    """A calibrator for ``IBuilderConfig.int8_calibrator``; keep it until the build is over.

    Args:
        trt: A TensorRT with calibrators.
        method: ``minmax`` or ``entropy``.
        feeder: Gives the pictures.
        cache: Is asked first, and keeps what was found; no pictures are asked for then.
        failure: Keeps what a callback raises.
    """
    base: Any = getattr(trt, BASES[method])

    class Calibrator(base):  # type: ignore[misc]
        def __init__(self) -> None:
            base.__init__(self)  # the bindings crash without it

        def get_batch_size(self) -> int:
            return feeder.batch

        def get_batch(self, names: list[str]) -> list[int] | None:  # noqa: ARG002 - there is one input
            address = failure.guard(feeder.next)
            return None if address is None else [address]

        def read_calibration_cache(self) -> bytes | None:
            return failure.guard(cache.read)

        def write_calibration_cache(self, content: IHostMemory) -> None:
            failure.guard(lambda: cache.write(bytes(content)))

    return Calibrator()
