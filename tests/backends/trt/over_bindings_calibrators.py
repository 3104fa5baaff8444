"""Calibrators over the real bindings, called as TensorRT calls them (run by test_calibrators.py).

TensorRT sees a C++ object and calls the functions of ``IInt8Calibrator`` in its table; so does this, by their place
in the table of release 10, through the bindings' own conversion of arguments and results.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorrt as trt
from numpy.typing import NDArray

from backends.trt.calibrators import BASES, CalibrationCache, Failure, Feeder, make_calibrator
from backends.trt.library import adopt
from backends.trt.quantising import check_calibrators
from core.errors import HooklineError, UnavailableError
from tests.backends.gpu.devices import ShimDevice

MAJOR = int(trt.__version__.split(".")[0])
only_10 = pytest.mark.skipif(MAJOR > 10, reason="TensorRT 11 has no calibrators")
only_11 = pytest.mark.skipif(MAJOR < 11, reason="TensorRT 10 has calibrators")
CACHE = b"TRT-101601-MinMaxCalibration\nimages: 3c010204\n"
PLACES = {"get_batch_size": 4, "get_batch": 5, "read_cache": 6, "write_cache": 7, "get_algorithm": 8}
POINTER = ctypes.c_void_p


class Native:
    """A calibrator as TensorRT sees it: a pointer to an object that starts with its virtual function table."""

    def __init__(self, calibrator: Any) -> None:
        after_head = id(calibrator) + object.__basicsize__  # where pybind11 keeps the object of C++
        self.address = POINTER.from_address(after_head).value
        self.table = POINTER.from_address(self.address).value

    def call(self, name: str, result: Any, *arguments: Any) -> Any:
        place = POINTER.from_address(self.table + PLACES[name] * ctypes.sizeof(POINTER)).value
        kinds = [type(argument) for argument in arguments]
        return ctypes.CFUNCTYPE(result, POINTER, *kinds)(place)(self.address, *arguments)

    def batch(self) -> int | None:
        """Return the address of a batch, as TensorRT receives it."""
        bindings, names = (POINTER * 1)(), (ctypes.c_char_p * 1)(b"images")
        given = self.call("get_batch", ctypes.c_bool, bindings, names, ctypes.c_int32(1))
        return int(bindings[0] or 0) if given else None

    def cache(self) -> bytes | None:
        length = (ctypes.c_size_t * 1)()
        address = self.call("read_cache", POINTER, length)
        return ctypes.string_at(address, length[0]) if address else None

    def keep(self, content: bytes) -> None:
        self.call("write_cache", None, ctypes.c_char_p(content), ctypes.c_size_t(len(content)))


def batches(*sizes: int) -> Iterator[NDArray[np.float32]]:
    for number, size in enumerate(sizes):
        yield np.full((size, 3, 4, 4), number, np.float32)


def held(address: int, size: int) -> NDArray[np.float32]:
    count = size * 3 * 4 * 4
    return np.frombuffer((ctypes.c_float * count).from_address(address), np.float32).copy()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calibration" / "some.cache"


@only_10
@pytest.mark.parametrize(("method", "algorithm"), [("minmax", "MINMAX"), ("entropy", "ENTROPY")])
def test_the_algorithm_is_that_of_the_base(path: Path, method: str, algorithm: str) -> None:
    made = make_calibrator(trt, method, Feeder(batches(), 2, ShimDevice()), CalibrationCache(path), Failure())
    wanted = {"MINMAX": "MINMAX_CALIBRATION", "ENTROPY": "ENTROPY_CALIBRATION_2"}[algorithm]
    assert isinstance(made, getattr(trt, BASES[method]))
    assert made.get_algorithm() == getattr(trt.CalibrationAlgoType, wanted)
    assert Native(made).call("get_algorithm", ctypes.c_int32) == int(made.get_algorithm())


@only_10
@pytest.mark.parametrize("method", BASES)
def test_a_calibration_as_tensorrt_runs_it(path: Path, method: str) -> None:
    failure, counts = Failure(), list[int]()
    feeder = Feeder(batches(2, 2, 1), 2, ShimDevice(), counts.append)
    made = make_calibrator(trt, method, feeder, CalibrationCache(path), failure)
    native = Native(made)
    assert native.call("get_batch_size", ctypes.c_int32) == 2
    assert native.cache() is None
    for number in range(2):
        address = native.batch()
        assert address is not None
        assert (held(address, 2) == number).all()
    assert native.batch() is None  # the last batch is smaller
    native.keep(CACHE)
    failure.reraise()
    assert path.read_bytes() == CACHE
    assert counts == [2, 2]


@only_10
def test_a_second_build_reads_the_cache_and_no_images(path: Path) -> None:
    CalibrationCache(path).write(CACHE)

    def unread() -> Iterator[NDArray[np.float32]]:
        raise AssertionError("images were read")
        yield

    feeder = Feeder(unread(), 2, ShimDevice())
    made = make_calibrator(trt, "minmax", feeder, CalibrationCache(path), Failure())
    assert Native(made).cache() == CACHE


@only_10
def test_what_a_callback_raises_reaches_no_c_code_and_is_kept(path: Path) -> None:
    def broken() -> Iterator[NDArray[np.float32]]:
        yield np.zeros((2, 3, 4, 4), np.float32)
        raise HooklineError("an image cannot be read")

    failure = Failure()
    made = make_calibrator(trt, "entropy", Feeder(broken(), 2, ShimDevice()), CalibrationCache(path), failure)
    native = Native(made)
    assert native.batch() is not None
    assert native.batch() is None
    native.keep(CACHE)
    assert not path.exists()
    with pytest.raises(HooklineError, match="an image cannot be read"):
        failure.reraise()


@only_11
def test_calibrators_are_refused_in_one_line() -> None:
    assert not any(hasattr(trt, base) for base in BASES.values())
    with pytest.raises(UnavailableError, match=rf"^TensorRT {trt.__version__} has no calibrators: .*tensorrt\.int8"):
        check_calibrators(adopt(trt))


@only_10
def test_calibrators_are_there() -> None:
    check_calibrators(adopt(trt))


@only_10
@pytest.mark.parametrize(
    ("owner", "name", "arguments"),
    [
        (trt.ITensor, "set_dynamic_range", ["min", "max"]),
        (trt.IBuilderConfig, "set_calibration_profile", ["profile"]),
        (trt.INetworkDefinition, "get_input", ["index"]),
        (trt.INetworkDefinition, "get_layer", ["index"]),
        (trt.ILayer, "get_output", ["index"]),
    ],
)
def test_functions(owner: type, name: str, arguments: list[str]) -> None:
    first = getattr(owner, name).__doc__.splitlines()[0]
    assert all(f"{argument}: " in first for argument in arguments)


@only_10
@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (trt.IBuilderConfig, "int8_calibrator"),
        (trt.INetworkDefinition, "builder"),
        (trt.INetworkDefinition, "num_inputs"),
        (trt.INetworkDefinition, "num_layers"),
        (trt.ILayer, "num_outputs"),
        (trt.ITensor, "name"),
    ],
)
def test_properties(owner: type, name: str) -> None:
    assert isinstance(getattr(owner, name), property)
