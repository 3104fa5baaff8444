"""TensorRT's own calibrators: their batches and caches, without TensorRT and over its bindings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from backends.gpu.device import view
from backends.trt.calibrators import CalibrationCache, Failure, Feeder
from core.errors import HooklineError
from tests.backends.gpu.devices import ShimDevice
from tests.backends.trt.bindings import Bindings
from tests.backends.trt.engines import memory

CACHE = b"TRT-101601-MinMaxCalibration\nimages: 3c010204\na: b: 3c010204\n"


def batches(*sizes: int) -> Iterator[np.ndarray]:
    for number, size in enumerate(sizes):
        yield np.full((size, 3, 4, 4), number, np.float32)


def test_over_the_bindings(bindings: Bindings) -> None:
    bindings.pytest("-W", "ignore", "tests/backends/trt/over_bindings_calibrators.py")


def test_batches_come_to_one_place_and_are_there_when_it_is_told():
    feeder = Feeder(batches(2, 2, 2), 2, ShimDevice())
    addresses = set()
    for number in range(3):
        address = feeder.next()
        assert (memory(address, (2, 3, 4, 4), np.float32) == number).all()
        addresses.add(address)
    assert feeder.next() is None
    assert (len(addresses), feeder.used) == (1, 6)


def test_arrays_that_are_not_contiguous_are_fed_in_order():
    images = np.arange(2 * 4 * 4 * 3, dtype=np.float32).reshape(2, 4, 4, 3).transpose(0, 3, 1, 2)
    address = Feeder(iter([images]), 2, ShimDevice()).next()
    assert (memory(address, images.shape, np.float32) == images).all()


def test_memory_lives_as_long_as_the_feeder():
    device = ShimDevice()
    feeder = Feeder(batches(2), 2, device)
    address = feeder.next()
    assert view(feeder._memory).address == address


@pytest.mark.parametrize(("sizes", "found"), [((), 0), ((3,), 3)])
def test_not_one_full_batch(sizes, found):
    with pytest.raises(HooklineError, match=rf"the calibration has {found} images?, but a batch needs 4; provide more"):
        Feeder(batches(*sizes), 4, ShimDevice()).next()


def test_a_cache_is_kept_and_replaced(tmp_path):
    cache = CalibrationCache(tmp_path / "new" / "a.cache")
    assert cache.read() is None
    cache.write(CACHE)
    assert cache.read() == CACHE
    cache.write(CACHE.replace(b"3c", b"3d"))
    assert cache.read() == CACHE.replace(b"3c", b"3d")
    assert [path.name for path in cache.path.parent.iterdir()] == ["a.cache"]


@pytest.mark.parametrize("content", [b"", CACHE[:-4], b"TRT-101601-MinMaxCalibration\n", b"\xff\xfe"])
def test_a_damaged_cache_is_made_anew_and_said(tmp_path, caplog, content):
    path = tmp_path / "a.cache"
    path.write_bytes(content)
    assert CalibrationCache(path).read() is None
    (record,) = caplog.records
    assert record.message.startswith(f"the calibration cache '{path}' is damaged, calibrating again: ")


def test_after_a_failure_nothing_more_is_called():
    failure, called = Failure(), []
    assert failure.guard(lambda: 7) == 7
    failure.reraise()
    assert failure.guard(lambda: 1 // 0) is None
    assert failure.guard(lambda: called.append(1)) is None
    assert called == []
    with pytest.raises(ZeroDivisionError):
        failure.reraise()
