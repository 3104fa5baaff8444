"""TensorRT's own INT8 calibrators, for releases up to 10: images in, ranges into a cache.

TensorRT 11 has no base classes for calibrators, so the subclasses are created at run time. A callback can report a
failure to TensorRT only by returning None, so its exception is kept and raised after the build.
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
from backends.trt.runtime_types import IHostMemory
from backends.trt.timing_cache import write_cache
from core.calibration import read_bounded, read_tensorrt_cache
from core.errors import HooklineError, counted
from core.kinds.session import DeviceArray
from core.reporting import ignore

log = logging.getLogger("hookline")

T = TypeVar("T")
BASES = {"minmax": "IInt8MinMaxCalibrator", "entropy": "IInt8EntropyCalibrator2"}
"""TensorRT's class for each calibration method."""


@dataclass(frozen=True)
class CalibrationCache:
    """A file with the ranges that TensorRT found, in its format; named by a digest of model, images and method."""

    path: Path

    def read(self) -> bytes | None:
        """Return the content; None if there is no file or it is damaged: TensorRT would use a damaged one."""
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
        """Write the file atomically."""
        write_cache(self.path, content)


class Feeder:
    """Uploads calibration batches to the device, one at a time, all of one length.

    Args:
        batches: float32 [B, 3, H, W]. A shorter last batch is dropped, because TensorRT requires full batches.
        batch: B.
        device: The device of the build.
        done: Called after each batch with its number of images.
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
        """Return the address of the next batch, valid until the next call; None after the last batch.

        Raises:
            HooklineError: There are too few images for one batch.
        """
        images = next(self._batches, None)
        if images is None or len(images) < self.batch:
            if not self.used:
                found = counted(0 if images is None else len(images), "image")
                raise HooklineError(
                    f"the calibration has {found}, but a batch needs {self.batch}",
                    "provide more images, or set a smaller build.batch",
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
    """The first exception of a callback."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def guard(self, callback: Callable[[], T]) -> T | None:
        """Call ``callback`` and return its result; return None if it fails or an earlier callback failed."""
        if self.error is not None:
            return None
        try:
            return callback()
        except Exception as error:  # reraise() raises it unchanged after the build
            self.error = error
            return None

    def reraise(self) -> None:
        """Raise the exception, if there is one."""
        if self.error is not None:
            raise self.error


def make_calibrator(trt: ModuleType, method: str, feeder: Feeder, cache: CalibrationCache, failure: Failure) -> object:
    """Return a calibrator for ``IBuilderConfig.int8_calibrator``. Keep it until the build has finished.

    Args:
        trt: A TensorRT module with calibrators.
        method: ``minmax`` or ``entropy``.
        feeder: Provides the images.
        cache: Read first; if it has ranges, no images are read. Ranges that were found are written to it.
        failure: Keeps the exception of a callback.
    """
    base: Any = getattr(trt, BASES[method])

    class ImageCalibrator(base):  # type: ignore[misc]
        def __init__(self) -> None:
            base.__init__(self)  # required: the bindings crash without it

        def get_batch_size(self) -> int:
            return feeder.batch

        def get_batch(self, names: list[str]) -> list[int] | None:  # noqa: ARG002 - the network has one input
            address = failure.guard(feeder.next)
            return None if address is None else [address]

        def read_calibration_cache(self) -> bytes | None:
            return failure.guard(cache.read)

        def write_calibration_cache(self, content: IHostMemory) -> None:
            failure.guard(lambda: cache.write(bytes(content)))

    return ImageCalibrator()
