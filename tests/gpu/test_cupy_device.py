"""``CupyDevice``: the processor over a CuPy that does its work on the CPU."""

from __future__ import annotations

import sys
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from backends.cv.processor import OpenCvProcessor
from backends.gpu.cupy_device import CupyDevice
from backends.gpu.device import fetch, view
from backends.gpu.processor import BesideSession, CupyProcessor
from core.artifacts import InputContract, Layout
from core.detections import Filter
from cuda_plugins import loading
from tests.cv.test_decode import FACTS, make_heads
from tests.gpu.devices import FakeSession, put
from tests.gpu.fake_cupy import FakeCupy
from tests.media_tools import make_picture

CONTRACT = InputContract(2, 64, 96)
HOST = OpenCvProcessor()
NUMBER = 3


def forget() -> None:
    for cache in (loading.import_cupy, loading._function, loading._module):
        cache.cache_clear()


@pytest.fixture
def cupy(monkeypatch):
    forget()
    module = FakeCupy(NUMBER)
    monkeypatch.setitem(sys.modules, "cupy", module)
    yield module
    forget()


def heads_session(device: Any) -> FakeSession:
    heads = make_heads()
    session = FakeSession(device, FACTS, lambda images: heads, layout=Layout.heads)
    session.device = NUMBER
    return session


def test_pictures_in_and_boxes_out(cupy):
    session, opened = heads_session(cupy.device), []
    processor = CupyProcessor(lambda number: opened.append(number) or CupyDevice(number)).beside(session)
    assert isinstance(processor, BesideSession)
    assert opened == [NUMBER]
    assert sorted(cupy.compiled) == ["letterbox", "nms"]
    pictures = [make_picture(40, 70), make_picture(90, 50)]
    images, placed = processor.prepare(pictures, CONTRACT)
    np.testing.assert_array_equal(fetch(images, cupy.device, session.stream), HOST.prepare(pictures, CONTRACT)[0])
    found = processor.detect(session.run(images), session, placed, Filter(conf=0.5))
    expected = HOST.detect(make_heads(), session, placed, Filter(conf=0.5))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.boxes, other.boxes)
        assert len(one)


def test_another_thread_works_on_the_same_device(cupy):
    """The current device of CuPy belongs to a thread, and pictures are prepared in one of their own."""
    processor = CupyProcessor(CupyDevice).beside(heads_session(cupy.device))
    made: list[Any] = []
    thread = threading.Thread(target=lambda: made.append(processor.prepare([make_picture()], CONTRACT)))
    thread.start()
    thread.join()
    assert view(made[0][0]).shape == (1, 3, 64, 96)
    assert cupy.runtime.getDevice() == 0


def test_what_does_not_fit_the_kernels_comes_back_to_the_host(cupy):
    session = heads_session(cupy.device)
    processor = CupyProcessor(CupyDevice).beside(session)
    _, placed = processor.prepare([make_picture(), make_picture()], CONTRACT)
    outputs = {name: put(cupy.device, head, session.stream) for name, head in make_heads().items()}
    wanted = Filter(conf=0.5, multi_label=True)
    found = processor.detect(outputs, session, placed, wanted)
    expected = HOST.detect(make_heads(), session, placed, wanted)
    assert [one.boxes.tolist() for one in found] == [other.boxes.tolist() for other in expected]


def test_a_device_array_that_is_not_contiguous_is_refused():
    about = {"shape": (2, 3), "typestr": "<f4", "data": (64, False), "strides": (4, 8)}
    array: Any = SimpleNamespace(__cuda_array_interface__=about)
    with pytest.raises(ValueError, match=r"shape \(2, 3\) with the strides \(4, 8\) is not contiguous"):
        view(array)
