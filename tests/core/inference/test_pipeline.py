"""The pipeline in which all stages read, prepare, infer and detect."""

from __future__ import annotations

import contextlib
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.detections import Filter
from core.errors import HooklineError
from core.inference.detector import Detector, ImageBatch, prepare_batch, warm_up
from core.inference.pipeline import Clock, batches_ahead, batches_of, detected, prepared
from core.media.frame import Frame
from core.model_facts import InputContract
from tests.support.fake_parts import FakeProcessor, FakeSession, detections, fake_engine
from tests.support.heads_tools import head_for

CONTRACT = InputContract(1, 32, 32)


class Reader:
    """Frames of a source that counts what was read of it, and records that it was closed."""

    def __init__(self, count: int, seconds: float = 0.0, error: BaseException | None = None) -> None:
        self.count, self.seconds, self.error = count, seconds, error
        self.read = 0
        self.closed = False

    def frames(self) -> Iterator[Frame]:
        try:
            for index in range(self.count):
                time.sleep(self.seconds)
                self.read += 1
                yield Frame(index, str(index), None, index, np.zeros((4, 4, 3), np.uint8))
            if self.error:
                raise self.error
        finally:
            self.closed = True


def make_detector(folder: Path, count: int, seconds: float = 0.0) -> tuple[Detector, FakeSession, FakeProcessor]:
    """Frame ``i`` has ``i % 3`` boxes."""
    found = [detections(*[[0, 0, 1, 1, 0.5, 0]] * (index % 3)) for index in range(count)]
    session, processor = FakeSession(fake_engine(folder), seconds), FakeProcessor({"fake": found})
    return Detector(session, processor, head_for(session), Filter()), session, processor


def workers() -> list[str]:
    """Threads that still run; one that has ended its work is listed for a moment."""
    deadline = time.monotonic() + 5
    while names := [thread.name for thread in threading.enumerate() if thread.name == "ahead"]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.001)
    return names


@pytest.mark.parametrize("depth", [0, 1, 4])
@pytest.mark.parametrize("size", [1, 3, 8, 50])
def test_every_frame_with_its_boxes_in_order(tmp_path: Path, size: int, depth: int) -> None:
    detector, session, _ = make_detector(tmp_path, 20)
    clock = Clock()
    batches = batches_of(clock.each("read", Reader(20).frames()), size, CONTRACT)
    with detected(batches, detector, clock, depth=depth) as found:
        rows = [
            (frame.index, len(boxes)) for item in found for frame, boxes in zip(item.frames, item.found, strict=True)
        ]
    assert rows == [(index, index % 3) for index in range(20)]
    assert session.calls == [size] * (20 // size) + ([20 % size] if 20 % size else [])
    assert set(clock.seconds) == {"read", "prepare", "inference", "detect"}
    assert workers() == []


def test_reading_and_preparing_overlap_the_inference() -> None:
    """Each inference waits until the next two batches are prepared, which never happens in one thread."""
    reader, ready_images = Reader(20), list[int]()
    clock = Clock()

    def prepare(batch: ImageBatch) -> int:
        assert threading.current_thread().name == "ahead"
        ready_images.append(batch.frames[0].index)
        return batch.frames[0].index

    batches = batches_of(clock.each("read", reader.frames()), 1, CONTRACT)
    with prepared(batches, prepare, clock, depth=2) as ready:
        for index in ready:
            deadline = time.monotonic() + 20
            while len(ready_images) < min(index + 3, 20) and time.monotonic() < deadline:
                time.sleep(0.001)
            assert len(ready_images) >= min(index + 3, 20)
    assert ready_images == list(range(20))


def test_without_depth_nothing_is_read_ahead() -> None:
    reader, counts = Reader(5), list[int]()

    def prepare(batch: ImageBatch) -> int:
        assert threading.current_thread() is threading.main_thread()
        return batch.frames[0].index

    with prepared(batches_of(reader.frames(), 1, CONTRACT), prepare, Clock(), depth=0) as ready:
        for index in ready:
            counts.append(reader.read)
            assert reader.read == index + 1
    assert counts == [1, 2, 3, 4, 5]
    assert reader.closed


@pytest.mark.parametrize(("size", "depth"), [(1, 4), (2, 2), (4, 1), (64, 1)])
def test_reading_stops_while_enough_batches_wait(size: int, depth: int) -> None:
    reader = Reader(1000)
    assert batches_ahead(size) == depth
    batches = batches_of(reader.frames(), size, CONTRACT)
    with prepared(batches, lambda batch: batch, Clock(), depth=depth) as ready:
        next(ready)
        expected = size * (depth + 2)  # the batch in use, those that wait, and the one that finds no place
        deadline = time.monotonic() + 20
        while reader.read < expected and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05)
        assert reader.read == expected
    assert reader.closed


@pytest.mark.parametrize("depth", [0, 2])
@pytest.mark.parametrize("error", [HooklineError("broken", "repair it"), MemoryError("full"), ZeroDivisionError("bug")])
def test_frames_before_a_failure_come_first_and_its_type_stays(
    tmp_path: Path, error: BaseException, depth: int
) -> None:
    detector, _, _ = make_detector(tmp_path, 5)
    reader, seen = Reader(5, error=error), list[int]()

    def consume() -> None:
        with detected(batches_of(reader.frames(), 3, CONTRACT), detector, Clock(), depth=depth) as found:
            for item in found:
                seen.extend(frame.index for frame in item.frames)

    with pytest.raises(type(error)) as caught:
        consume()
    assert caught.value is error
    assert seen == [0, 1, 2, 3, 4]
    assert workers() == []


@pytest.mark.parametrize("depth", [0, 2])
@pytest.mark.parametrize("place", ["prepare", "infer", "detect", "use"])
def test_an_error_ends_the_threads_and_closes_the_source_while_it_is_handled(
    tmp_path: Path, place: str, depth: int
) -> None:
    """The traceback refers to the generators: closing them must not depend on the garbage collector."""
    detector, session, processor = make_detector(tmp_path, 1000)
    reader = Reader(1000)

    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError(place)

    if place == "prepare":
        processor.prepare = fail  # type: ignore[method-assign]
    elif place == "infer":
        session.run = fail  # type: ignore[method-assign]
    elif place == "detect":
        processor.detect = fail  # type: ignore[method-assign]

    def consume() -> None:
        with detected(batches_of(reader.frames(), 2, CONTRACT), detector, Clock(), depth=depth) as found:
            for _ in found:
                fail()

    with pytest.raises(RuntimeError, match=place) as caught:
        consume()
    assert caught.tb is not None
    assert reader.closed
    assert workers() == []
    assert reader.read < 20


@pytest.mark.parametrize("seed", range(2))
def test_ctrl_c_at_any_moment_ends_the_threads(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    def trial(reader: Reader) -> None:
        detector, _, _ = make_detector(tmp_path, 0, seconds=0.0002)
        batches = batches_of(reader.frames(), 1, CONTRACT)
        signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.0005, 0.005))
        with prepared(batches, detector.prepare, Clock(), depth=2) as ready:
            for batch in ready:
                detector.session.run(batch.images)

    former = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(100):
            reader = Reader(100_000)
            # CPython raises RuntimeError where an interruption meets Condition.wait between its two locks.
            with contextlib.suppress(KeyboardInterrupt, RuntimeError):
                trial(reader)
            signal.setitimer(signal.ITIMER_REAL, 0)
            assert workers() == []
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


def test_the_clock_adds_up_also_when_a_phase_fails() -> None:
    clock = Clock()

    def fail() -> None:
        with clock.phase("read"):
            time.sleep(0.01)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    with clock.phase("read"):
        time.sleep(0.01)
    assert clock.seconds["read"] >= 0.02


def test_size_of_a_batch_is_that_of_its_contract() -> None:
    processor, wide = FakeProcessor({}), InputContract(1, 32, 64)
    (batch,) = batches_of(Reader(3).frames(), 3, wide)
    made = prepare_batch(processor, batch, upscale=False, fit=(32, 48))
    assert made.images.shape == (3, 3, 32, 64)
    assert [frame.index for frame in made.frames] == [0, 1, 2]
    assert processor.prepared == [(wide, (32, 48), False)]


def test_warm_up_runs_grey_images_of_the_contract(tmp_path: Path) -> None:
    session = FakeSession(fake_engine(tmp_path))
    given: list[np.ndarray] = []
    run: Callable[[Any], Any] = session.run
    session.run = lambda images: (given.append(images), run(images))[1]  # type: ignore[method-assign]
    warm_up(session, 3)
    assert session.calls == [session.contract.batch] * 3
    assert float(given[0].max()) == float(given[0].min()) == pytest.approx(114 / 255)
