"""Sessions on computing engines: batches of any length and memory, with and without graphs, give equal outputs."""

from __future__ import annotations

import gc
import threading
import weakref
from types import SimpleNamespace

import numpy as np
import pytest

from backends.gpu.device import fetch, view
from backends.trt.execution import UNUSED_BATCHES
from backends.trt.opened_engine import OpenedEngine
from backends.trt.session import TrtSession
from core.errors import HooklineError
from core.kinds.session import DeviceSession, ReportingSession
from cuda_plugins import tensorrt_types as callbacks
from tests.backends.gpu.devices import put
from tests.backends.trt.engines import LIBRARY, EngineShim, about, expected, memory, opened_session


def random_images(count, height=8, width=8, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).random((count, 3, height, width)).astype(dtype)


def same(found, images):
    for name, values in expected(images).items():
        np.testing.assert_allclose(found[name], values, atol=1e-6, err_msg=name)


def run_on_device(session, device, images):
    """Return the outputs for images in device memory."""
    outputs = session.run_device(put(device, images, session.stream))
    return {name: fetch(array, device, session.stream) for name, array in outputs.items()}


@pytest.mark.parametrize("graphs", [True, False])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9])
def test_any_batch_of_the_host(count, graphs):
    session, engine, device = opened_session(graphs=graphs)
    with session:
        for seed in range(4):
            images = random_images(count, seed=seed)
            same(session.run(images), images)
    pieces = -(-count // 4)
    assert engine.runs == 4 * pieces if not graphs else engine.runs < 4 * pieces + 3
    assert len(engine.contexts) == 1 + len(device.graphs)


@pytest.mark.parametrize("graphs", [True, False])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9])
def test_any_batch_of_the_device(count, graphs):
    session, _, device = opened_session(graphs=graphs)
    with session:
        for seed in range(4):
            images = random_images(count, seed=seed)
            same(run_on_device(session, device, images), images)


@pytest.mark.parametrize(("count", "copies"), [(1, 1), (2, 0), (4, 0), (5, 5)])
def test_what_the_profile_holds_is_not_copied(count, copies):
    session, _, device = opened_session()
    with session:
        session.run_device(put(device, random_images(count), session.stream))
    assert device.copies == copies  # of five: the second piece is filled up, two outputs of two pieces gathered


def test_run_takes_arrays_of_the_device_and_waits():
    session, _, device = opened_session()
    with session:
        images = random_images(3)
        outputs = session.run(put(device, images, session.stream))
        abouts = {name: view(array) for name, array in outputs.items()}
        same({name: memory(about.address, about.shape, about.dtype) for name, about in abouts.items()}, images)
    assert isinstance(session, DeviceSession)
    assert isinstance(session, ReportingSession)
    assert (session.place, session.doubt) == ("cuda:0 (a GPU)", "")


def test_arrays_that_speak_dlpack_alone():
    session, _, device = opened_session()
    images = random_images(2)
    with session:
        jax = SimpleNamespace(array=put(device, images, session.stream), __dlpack__=lambda: "capsule")
        outputs = session.run(jax)
        same({name: fetch(array, device, session.stream) for name, array in outputs.items()}, images)
        with pytest.raises(AttributeError, match="__dlpack__"):
            session.run([1, 2])


def test_an_engine_without_scratch_memory():
    session, engine, _ = opened_session(device_memory_size_v2=0)
    with session:
        images = random_images(2)
        same(session.run(images), images)
        assert engine.contexts[0].scratch is not None
        assert engine.contexts[0].scratch.size >= 1


def test_half_images():
    session, _, device = opened_session(kind="HALF")
    with session:
        assert session.input_dtype == "float16"
        images = random_images(3, dtype=np.float16)
        same(session.run(images.astype(np.float32)), images)
        same(run_on_device(session, device, images), images)
        with pytest.raises(ValueError, match="accepts float16, the array is float32"):
            session.run_device(put(device, images.astype(np.float32), session.stream))


def test_the_second_time_is_captured_and_the_third_is_a_graph():
    session, engine, device = opened_session()
    with session:
        place = put(device, random_images(2), session.stream)
        for number, seed in enumerate((1, 2, 3, 4)):
            images = random_images(2, seed=seed)
            device.upload(images.reshape(-1).view(np.uint8), view(place).address, session.stream)
            outputs = session.run_device(place)
            same({name: fetch(array, device, session.stream) for name, array in outputs.items()}, images)
            assert device.graph_launches == max(number - 1, 0)
        assert [context.runs for context in engine.contexts] == [1, 2]  # the second: plainly, and into the graph
    assert [graph.freed for graph in device.graphs] == [True]


def test_an_address_that_never_comes_again_is_never_captured():
    session, _, device = opened_session()
    with session:
        for seed in range(5):
            images = random_images(2, seed=seed)
            same(run_on_device(session, device, images), images)
    assert device.graphs == []


def test_addresses_take_turns():
    session, engine, device = opened_session()
    with session:
        places = [put(device, random_images(2), session.stream) for _ in range(6)]
        for seed, some in enumerate((2, 2, 2, 6, 6, 2, 2)):
            for number, place in enumerate(places[:some]):
                images = random_images(2, seed=10 * seed + number)
                device.upload(images.reshape(-1).view(np.uint8), view(place).address, session.stream)
                outputs = session.run_device(place)
                same({name: fetch(array, device, session.stream) for name, array in outputs.items()}, images)
        assert device.graph_launches > 5
        assert len(engine.contexts) == 1 + len(device.graphs) > 6
    assert all(graph.freed for graph in device.graphs)


def test_contexts_are_kept_as_long_as_their_graphs():
    session, engine, _ = opened_session()
    with session:
        for _ in range(3):
            session.run(random_images(2))
            session.run(random_images(2, 16, 16))
        kept = [weakref.ref(context) for context in engine.contexts]
        engine.contexts.clear()
        gc.collect()
        assert len(kept) == 3
        assert all(reference() for reference in kept)
    gc.collect()
    assert not any(reference() for reference in kept)


def test_leaving_the_session_frees_the_memory_of_the_device(monkeypatch):
    made = []

    def empty(device, shape, dtype, stream):
        array = allocate(device, shape, dtype, stream)
        made.append(weakref.ref(array))
        return array

    allocate = EngineShim.empty
    monkeypatch.setattr(EngineShim, "empty", empty)
    session, _, device = opened_session()
    with session:
        for count in (1, 3, 5):
            session.run(random_images(count))
            session.run_device(put(device, random_images(count), session.stream))
        gc.collect()
        assert sum(held(reference) for reference in made) > 1000
    gc.collect()
    assert sum(held(reference) for reference in made) == 0


def held(reference):
    """Return the bytes that are still allocated."""
    array = reference()
    return view(array).size if array else 0


def test_shapes_take_turns():
    session, _, device = opened_session()
    sizes = [(8, 8), (8, 16), (16, 8), (16, 16), (12, 8), (8, 12)]
    with session:
        for seed, some in enumerate((3, 3, 3, 6, 3, 3, 3)):
            for height, width in sizes[:some]:
                images = random_images(3, height, width, seed)
                same(session.run(images), images)
    assert device.graph_launches > 3  # before and after the six, which drop what was kept
    assert all(graph.freed for graph in device.graphs)


def test_a_graph_goes_with_the_outputs_that_it_writes():
    session, _, device = opened_session()
    first, second = random_images(2), random_images(2, seed=1)
    with session:
        place, other = (put(device, images, session.stream) for images in (first, second))
        for _ in range(3):
            session.run_device(place)
        for side in (9, 10, 11, 12):
            session.run(random_images(2, side, side))
        session.run_device(other)
        outputs = session.run_device(place)
        same({name: fetch(array, device, session.stream) for name, array in outputs.items()}, first)
    assert [graph.freed for graph in device.graphs] == [True]


def test_results_lie_in_memory_that_is_used_again():
    session, _, _ = opened_session()
    with session:
        first = session.run(random_images(2))["boxes"]
        second = session.run(random_images(2, seed=1))["boxes"]
        assert np.shares_memory(first, second)


def test_another_context_runs_in_another_thread():
    session, engine, device = opened_session()
    first, second = random_images(2), random_images(4, seed=1)
    with session, TrtSession(OpenedEngine(LIBRARY, object(), engine), about(), device) as other:
        assert session.stream != other.stream
        session.run(first)
        found = session.run(first)
        thread = threading.Thread(target=other.run, args=(second,))
        thread.start()
        thread.join()
        same(found, first)
    first, other, graph = (context.scratch.ctypes.data for context in (engine.contexts))
    assert first == graph != other


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (
            (2, 3, 8, 17),
            r"8, 17\] does not fit the engine, which accepts \[any, 3, 8, 8\] to \[any, 3, 16, 16\]",
        ),
        ((2, 3, 4, 8), "does not fit"),
        ((2, 4, 8, 8), "does not fit"),
        ((0, 3, 8, 8), "does not fit"),
        ((3, 8, 8), r"build.imgsz=\{min"),
    ],
)
def test_a_size_that_the_profile_does_not_hold(shape, message):
    session, _, device = opened_session()
    images = np.zeros(shape, np.float32)
    with session:
        with pytest.raises(HooklineError, match=message):
            session.run(images)
        if images.size:
            with pytest.raises(HooklineError, match="does not fit"):
                session.run_device(put(device, images, session.stream))


def test_a_static_engine():
    session, _, _ = opened_session(static=True, profile=((2, 3, 8, 8),) * 3)
    with session:
        images = random_images(5)
        same(session.run(images), images)
        with pytest.raises(HooklineError, match=r"accepts \[any, 3, 8, 8\];"):
            session.run(random_images(2, 16, 16))


def test_no_room_for_a_context():
    with pytest.raises(HooklineError, match="not enough GPU memory to run the engine: out of memory; close other"):
        opened_session(room=False)


def test_tensorrt_refuses():
    session, _, _ = opened_session(works=False)
    with session, pytest.raises(HooklineError, match="TensorRT refuses the work: the cause"):
        session.run(random_images(2))


def test_an_older_error_does_not_explain_a_new_one():
    session, engine, _ = opened_session()
    with session:
        session.run(random_images(2))
        LIBRARY.journal.add(1, "long ago")
        engine.works = False
        with pytest.raises(HooklineError, match="TensorRT refuses the work: the cause; "):
            session.run(random_images(3))


def test_shapes_that_the_bindings_refuse():
    session, engine, _ = opened_session()

    def infer_shapes():
        raise RuntimeError("shape inference\nfailed")

    engine.contexts[0].infer_shapes = infer_shapes
    with (
        session,
        pytest.raises(HooklineError, match=r"from the input shape \[2, 3, 8, 8\] \(shape inference failed\)"),
    ):
        session.run(random_images(2))


def test_the_error_of_a_plugin_is_the_cause():
    session, engine, _ = opened_session(works=False)

    @callbacks.reported
    def enqueue():
        raise ZeroDivisionError("in the plugin")

    engine_run = engine.contexts[0].execute_async_v3

    def run(stream):
        with pytest.raises(ZeroDivisionError):
            enqueue()
        return engine_run(stream)

    engine.contexts[0].execute_async_v3 = run
    with session, pytest.raises(ZeroDivisionError, match="in the plugin"):
        session.run(random_images(2))


def test_an_error_that_tensorrt_ignored_is_not_reported():
    session, _, _ = opened_session()

    @callbacks.reported
    def supports_format_combination():
        raise ZeroDivisionError("while kernels are tried")

    with pytest.raises(ZeroDivisionError):
        supports_format_combination()
    with session:
        images = random_images(2)
        same(session.run(images), images)


def test_work_that_cannot_be_captured_is_enqueued_plainly(caplog):
    session, engine, device = opened_session(capturable=False)
    with session:
        for seed in range(5):
            images = random_images(2, seed=seed)
            same(session.run(images), images)
    assert (device.graphs, device.graph_launches) == ([], 0)
    assert len(engine.contexts) == 2
    message = [record.getMessage() for record in caplog.records if "CUDA graph" in record.getMessage()]
    assert len(message) == 1
    assert (
        "captured as a CUDA graph; kernels are launched one by one: TensorRT refuses the work: operation" in message[0]
    )


@pytest.mark.parametrize(("buffers", "graphs"), [(6, 6), (8, 8), (12, 8)])
def test_addresses_in_turn_share_the_graphs_there_are(buffers, graphs):
    """A queue of batches before a slow session: each has its own memory, and is reused."""
    session, engine, device = opened_session()
    with session:
        places = [put(device, random_images(2, seed=seed), session.stream) for seed in range(buffers)]
        for turn in range(120):
            images = random_images(2, seed=turn)
            place = places[turn % buffers]
            device.upload(images.reshape(-1).view(np.uint8), view(place).address, session.stream)
            outputs = session.run_device(place)
            same({name: fetch(array, device, session.stream) for name, array in outputs.items()}, images)
        assert (len(device.graphs), len(engine.contexts)) == (graphs, 1 + graphs)
        assert device.graph_launches >= (120 - 2 * buffers) * graphs // buffers
        assert not any(graph.freed for graph in device.graphs)


def test_graphs_of_unused_addresses_are_replaced():
    session, _, device = opened_session()
    with session:
        for first in (0, 8):
            places = [put(device, random_images(2, seed=seed), session.stream) for seed in range(first, first + 8)]
            for turn in range(8 * (2 + UNUSED_BATCHES // 8)):
                session.run_device(places[turn % 8])
        assert [graph.freed for graph in device.graphs] == [True] * 8 + [False] * 8


def test_a_closed_session_leaves_no_memory_in_the_pool():
    session, _, device = opened_session()
    with session:
        session.run(random_images(2))
        assert device.trimmed == 0
    assert device.trimmed == 1


def test_an_output_whose_size_depends_on_the_data():
    session, _, _ = opened_session(data_dependent=True)
    with session, pytest.raises(HooklineError, match="'boxes' depends on the data"):
        session.run(random_images(2))


def test_a_closed_session_is_a_bug():
    session, _, _ = opened_session()
    with session:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        session.run(random_images(2))
    with session:
        pass


def test_no_room_for_the_context_of_a_graph_is_no_end(caplog):
    session, engine, device = opened_session()
    with session:
        for seed in range(4):
            images = random_images(2, seed=seed)
            same(session.run(images), images)
            engine.room = False
    assert device.graphs == []
    assert "kernels are launched one by one: there is not enough GPU memory" in caplog.text


def test_a_context_stays_until_its_work_is_done_where_the_capture_fails():
    session, _, device = opened_session(capturable=False)
    with session:
        place = put(device, random_images(2), session.stream)
        for _ in range(2):
            session.run_device(place)
        # The work of the second call used the new context, and had to finish before the context was freed.
        assert all(work.__name__ == "<lambda>" for work in device._work[session.stream])
