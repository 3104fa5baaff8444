from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.detections import Detections, Filter
from core.inference.detector import Detector
from core.inference.pipeline import Clock
from core.media.frame import Frame
from stages.predict.pipeline import detect_frames
from tests.support.fake_parts import FakeProcessor, FakeSession, detections, fake_engine
from tests.support.heads_tools import head_for


def frames(count: int, seconds: float = 0.0) -> Iterator[Frame]:
    for index in range(count):
        time.sleep(seconds)
        yield Frame(index, str(index), None, index, np.zeros((4, 4, 3), np.uint8))


def found(count: int) -> list[Detections]:
    """Frame ``i`` has ``i % 3`` boxes."""
    return [detections(*[[0, 0, 1, 1, 0.5, 0]] * (index % 3)) for index in range(count)]


def run(
    tmp_path: Path, items: Iterator[Frame], sink: Any, *, count: int, seconds: float = 0.0, batch: int = 1
) -> Clock:
    session, clock = FakeSession(fake_engine(tmp_path), seconds), Clock()
    detect_frames(items, detector_of(session, FakeProcessor({"fake": found(count)})), sink, clock=clock, batch=batch)
    return clock


def detector_of(session: FakeSession, processor: FakeProcessor) -> Detector:
    return Detector(session, processor, head_for(session), Filter())


def workers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name in {"ahead", "behind"}]


@pytest.mark.parametrize("batch", [1, 3, 8, 50])
def test_order_is_kept_and_every_frame_has_its_boxes(tmp_path: Path, batch: int) -> None:
    seen: list[tuple[int, int]] = []

    def sink(pair: tuple[Frame, Detections]) -> None:
        time.sleep(0.001 * (pair[0].index % 3))
        seen.append((pair[0].index, len(pair[1])))

    run(tmp_path, frames(20), sink, count=20, seconds=0.002, batch=batch)
    assert seen == [(index, index % 3) for index in range(20)]
    assert workers() == []


def test_reading_inference_and_writing_overlap(tmp_path: Path) -> None:
    writing = Clock()

    def sink(_: tuple[Frame, Detections]) -> None:
        with writing.phase("write"):
            time.sleep(0.01)

    start = time.perf_counter()
    clock = run(tmp_path, frames(30, 0.01), sink, count=30, seconds=0.01)
    passed = time.perf_counter() - start
    work = clock.seconds["read"] + clock.seconds["inference"] + writing.seconds["write"]
    assert work >= 0.9
    assert passed < 0.75 * work


@pytest.mark.parametrize("place", ["read", "infer", "write"])
def test_an_exception_anywhere_ends_all_threads_at_once(tmp_path: Path, place: str) -> None:
    def broken() -> Iterator[Frame]:
        yield from frames(5)
        if place == "read":
            raise RuntimeError("read")
        yield from frames(10_000)

    def sink(pair: tuple[Frame, Detections]) -> None:
        if place == "write" and pair[0].index == 3:
            raise RuntimeError("write")

    session = FakeSession(fake_engine(tmp_path))
    if place == "infer":
        session.run = lambda _: (_ for _ in ()).throw(RuntimeError("infer"))  # type: ignore[method-assign]
    processor = FakeProcessor({"fake": found(10_005)})
    start = time.perf_counter()
    with pytest.raises(RuntimeError, match=place):
        detect_frames(broken(), detector_of(session, processor), sink, clock=Clock())
    assert time.perf_counter() - start < 5
    assert workers() == []


def test_ctrl_c_ends_all_threads(tmp_path: Path) -> None:
    session = FakeSession(fake_engine(tmp_path))

    def interrupt(images: Any) -> Any:
        raise KeyboardInterrupt

    session.run = interrupt  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        detect_frames(frames(100), detector_of(session, FakeProcessor({})), lambda _: None, clock=Clock())
    assert workers() == []


@pytest.mark.parametrize(("batch", "most"), [(1, 7), (2, 5), (4, 4), (16, 4)])
def test_few_prepared_batches_are_alive_at_once(tmp_path: Path, batch: int, most: int) -> None:
    """A processor on a GPU hands out device memory, and a session keeps CUDA graphs for a few addresses."""
    alive: weakref.WeakSet[Images] = weakref.WeakSet()
    counts: list[int] = []

    class Images:
        def __init__(self, count: int) -> None:
            self.count = count
            alive.add(self)
            counts.append(len(alive))

        def __len__(self) -> int:
            return self.count

    class Processor(FakeProcessor):
        def prepare(self, pictures: Any, contract: Any, **options: Any) -> Any:
            return Images(len(pictures)), super().prepare(pictures, contract, **options)[1]

    def infer(images: Any) -> Any:
        deadline = time.monotonic() + (0.5 if len(counts) < 10 else 0.002)
        while len(alive) < most - 1 and time.monotonic() < deadline:  # until reading is as far ahead as it gets
            time.sleep(0.001)
        return {"fake": None}

    session, count = FakeSession(fake_engine(tmp_path)), 20 * batch
    session.run = infer  # type: ignore[method-assign]
    detector = detector_of(session, Processor({"fake": found(count)}))
    detect_frames(frames(count), detector, lambda _: None, clock=Clock(), batch=batch)
    assert most - 1 <= max(counts) <= most
