"""``CupyEngineDevice`` over the real CuPy and the stand-in for CUDA: three GPUs, of which the last is to be used.

Run by test_cupy.py in a process of its own: 64 MiB on each GPU, 16 MiB of page-locked memory, GPU 1 taken by another.
"""

from __future__ import annotations

import ctypes
import threading
import warnings
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import cupy
import numpy as np
import pytest

from backends.cv.processor import OpenCvProcessor
from backends.gpu.cupy_device import CupyDevice
from backends.gpu.device import fetch, view
from backends.gpu.processor import CupyProcessor
from backends.nvidia.gpu import ordinal
from backends.nvidia.nvml import Gpu
from backends.trt.memory import CupyEngineDevice
from core.detections import Filter
from core.errors import HooklineError, UnavailableError
from core.model_facts import InputContract
from tests.backends.gpu.devices import FakeSession, put
from tests.backends.trt.engines import expected, session_on
from tests.backends.yolov5.test_head import FACTS, make_heads
from tests.support.heads_tools import head_for
from tests.support.media_tools import make_picture

NUMBER, TAKEN = 2, 1
CONTRACT = InputContract(2, 64, 96)
HOST = OpenCvProcessor()
DRIVER = ctypes.CDLL("libcuda.so.1")
MIB = 2**20
WORK = ctypes.CFUNCTYPE(None)


@pytest.fixture(autouse=True)
def only_this_gpu_is_used() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    assert DRIVER.stand_in_contexts() in (0, 1 << NUMBER)


@pytest.fixture
def device() -> CupyEngineDevice:
    return CupyEngineDevice(NUMBER)


def images_of(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, 3, 8, 8), dtype=np.float32)


def test_a_gpu_is_found_by_its_uuid_without_a_context():
    before = DRIVER.stand_in_contexts()
    gpu = Gpu("GPU-10001111-1111-1111-1111-111111111102", "Stand-in", "9.0", 0, 0, "580")
    with pytest.raises(
        UnavailableError, match=r"cannot be distinguished from 2 other GPUs by CuPy"
    ):  # it reads one byte of each
        ordinal(gpu, cupy.cuda.runtime)
    assert DRIVER.stand_in_contexts() == before


def test_pictures_in_and_boxes_out_in_two_threads(device):
    heads = make_heads()
    session = FakeSession(device, FACTS, lambda images: heads, layout="heads")
    session.device = NUMBER
    processor = CupyProcessor(CupyDevice).for_session(session)
    pictures, prepared = [make_picture(40, 70), make_picture(90, 50)], []
    thread = threading.Thread(target=lambda: prepared.append(processor.prepare(pictures, CONTRACT)))
    thread.start()
    thread.join()
    images, placed = prepared[0]
    np.testing.assert_array_equal(fetch(images, device, session.stream), HOST.prepare(pictures, CONTRACT)[0])
    for wanted in (Filter(conf=0.5), Filter(conf=0.5, multi_label=True)):  # the latter on the host
        found = processor.detect(session.run(images), head_for(session), placed, wanted)
        expected = HOST.detect(heads, head_for(session), placed, wanted)
        assert [one.boxes.tolist() for one in found] == [other.boxes.tolist() for other in expected]
        assert all(map(len, found))


def copying(device: CupyEngineDevice, stream: int) -> tuple[Any, Any, Any]:
    """Two arrays of the device, and work that copies the first to the second."""
    source, target = (put(device, images_of(2, seed), stream) for seed in (1, 2))
    return source, target, lambda: device.copy(view(source).address, view(target).address, view(source).size, stream)


def test_a_graph_does_its_work_whenever_it_is_launched(device):
    stream = device.new_stream()
    source, target, work = copying(device, stream)
    graph = device.capture(stream, work)
    np.testing.assert_array_equal(fetch(target, device, stream), images_of(2, 2))
    for seed in (3, 4):
        pinned = device.pinned(view(source).size)
        pinned[:] = images_of(2, seed).reshape(-1).view(np.uint8)
        device.upload(pinned, view(source).address, stream)
        graph.launch(stream)
        np.testing.assert_array_equal(fetch(target, device, stream), images_of(2, seed))
    graph.free()


@pytest.mark.parametrize("spoils", [True, False])
def test_a_capture_that_fails_leaves_the_stream_as_it_was(device, spoils):
    stream = device.new_stream()
    source, target, work = copying(device, stream)

    def failing() -> None:
        work()
        if spoils:
            device.wait(stream)
        raise ZeroDivisionError

    with pytest.raises(RuntimeError if spoils else ZeroDivisionError):
        device.capture(stream, failing)
    work()
    np.testing.assert_array_equal(fetch(target, device, stream), fetch(source, device, stream))


def test_pinned_memory_is_read_when_the_stream_comes_to_it(device):
    stream = device.new_stream()
    array, pinned = device.empty((4,), np.uint8, stream), device.pinned(4)
    pinned[:] = 1
    device.upload(pinned, view(array).address, stream)
    mark = device.mark(stream)
    mark.wait()
    pinned[:] = 2
    assert fetch(array, device, stream).tolist() == [1] * 4


def test_arrays_of_others_are_complete(device):
    """Their work is on a separate stream, for which ``adopt`` waits."""
    with device.here():
        array = cupy.empty((2, 3), np.float32)
        stream = cupy.cuda.Stream(non_blocking=True)
        pinned = device.pinned(array.nbytes)
        pinned.view(np.float32)[:] = 7
        with stream:
            array.data.copy_from_host_async(pinned.ctypes.data, array.nbytes, stream)
            adopted = device.adopt(array)
    dlpack_alone = SimpleNamespace(__dlpack__=array.__dlpack__, __dlpack_device__=array.__dlpack_device__)
    for mine in (adopted, device.adopt(dlpack_alone)):
        assert view(mine).address == array.data.ptr
        assert fetch(mine, device, device.new_stream()).tolist() == [[7] * 3] * 2


class WithWork(CupyEngineDevice):
    """Engines of tests begin their work on a stream of CUDA."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.begun: list[Any] = []

    def begin(self, stream: int, work: Callable[[], None]) -> None:
        self.begun.append(WORK(work))
        DRIVER.stand_in_begin(ctypes.c_void_p(stream), self.begun[-1])

    def is_capturing(self, stream: int) -> bool:
        return bool(cupy.cuda.runtime.streamIsCapturing(stream))


@pytest.mark.parametrize("graphs", [True, False])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 9])
def test_a_session_gives_what_its_engine_gives(count, graphs):
    device = WithWork(NUMBER)
    session, engine = session_on(device, graphs=graphs)
    with session:
        place = put(device, images_of(count), session.stream)
        for seed in range(5):
            images = images_of(count, seed)
            for name, values in expected(images).items():
                np.testing.assert_allclose(session.run(images)[name], values, atol=1e-6)
                device.upload(images.reshape(-1).view(np.uint8), view(place).address, session.stream)
                found = session.run(place)[name]
                np.testing.assert_allclose(fetch(found, device, session.stream), values, atol=1e-6)
    assert (len(engine.contexts) > 1) == graphs


def test_an_engine_that_cannot_be_captured_goes_on_without_graphs(caplog):
    session, _ = session_on(WithWork(NUMBER), capturable=False)
    with session:
        for seed in range(5):
            images = images_of(2, seed)
            np.testing.assert_allclose(session.run(images)["boxes"], expected(images)["boxes"], atol=1e-6)
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert warnings[0].startswith("the engine cannot be captured as a CUDA graph")


def test_what_is_no_array_of_a_gpu(device):
    with pytest.raises(TypeError, match="list is not a GPU array"):
        device.adopt([1])


def test_no_memory_on_the_gpu(device):
    with pytest.raises(HooklineError, match=r"^cuda:2 is out of memory \(Out of memory allocating .*device=cuda:N"):
        device.empty((65 * MIB,), np.uint8, device.new_stream())


def test_no_page_locked_memory(device):
    with pytest.raises(
        HooklineError, match=r"^the host cannot allocate 17 MiB of page-locked memory \(cudaErrorMemoryAll"
    ):
        device.pinned(17 * MIB)


def test_a_gpu_that_another_process_has_for_itself(device):
    with pytest.raises(UnavailableError, match=r"^cuda:1 cannot be used \(cudaErrorDevicesUnavailable.*doctor"):
        CupyDevice(TAKEN)
    device.wait(device.new_stream())  # goes back to the other


def test_what_only_a_bug_can_be_is_no_mistake_of_the_user(device):
    with pytest.raises(RuntimeError, match="cudaErrorInvalidValue"):
        device.copy(64, 128, 8, device.new_stream())


def test_memory_that_is_free_goes_back_to_the_driver(device):
    array = device.empty((MIB,), np.uint8, device.new_stream())
    with device.here():
        before = cupy.cuda.runtime.memGetInfo()[0]
        del array
        assert cupy.cuda.runtime.memGetInfo()[0] == before
    device.trim()
    with device.here():
        assert cupy.cuda.runtime.memGetInfo()[0] >= before + MIB
