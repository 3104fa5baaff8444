from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from core.media.ahead import ahead, in_order


def threads() -> int:
    return sum(thread.name == "ahead" for thread in threading.enumerate())


def test_order_is_kept() -> None:
    with ahead(range(100), depth=3) as items:
        assert list(items) == list(range(100))
    assert threads() == 0


def test_works_ahead_of_the_consumer_but_not_further() -> None:
    made = []

    def produce() -> Iterator[int]:
        for index in range(10):
            made.append(index)
            yield index

    with ahead(produce(), depth=2) as items:
        assert next(items) == 0
        deadline = time.monotonic() + 10
        while len(made) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05)
        assert made == [0, 1, 2, 3]  # one taken, two waiting, one in hand


def test_an_error_comes_where_the_item_would_have_come() -> None:
    def produce() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    with ahead(produce()) as items:
        assert next(items) == 1
        with pytest.raises(ValueError, match="broken"):
            next(items)
    assert threads() == 0


def test_leaving_early_ends_the_thread_and_closes_the_source() -> None:
    closed = []

    def produce() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.append(True)

    def consume() -> None:
        with ahead(produce()) as items:
            next(items)
            raise RuntimeError("the consumer failed")

    with pytest.raises(RuntimeError, match="the consumer failed"):
        consume()
    assert closed == [True]
    assert threads() == 0


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_results_in_order(threads: int) -> None:
    def work(item: int) -> int:
        time.sleep(0.001 * (7 * item % 5))
        return item * item

    assert list(in_order(work, range(40), threads)) == [item * item for item in range(40)]


def test_few_results_wait() -> None:
    done: list[int] = []
    results = in_order(done.append, range(100), 3)
    next(results)
    time.sleep(0.05)
    assert len(done) == 6
    results.close()
    assert len(done) == 6
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("in_order")]


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_comes_where_the_result_would_have_come(threads: int) -> None:
    def work(item: int) -> int:
        if item == 2:
            raise ValueError("broken")
        return item

    results = in_order(work, range(100), threads)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="broken"):
        next(results)
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("in_order")]


def test_several_items_are_worked_on_at_the_same_time() -> None:
    together = threading.Barrier(3, timeout=30)
    assert len(list(in_order(lambda _: together.wait(), range(6), 3))) == 6
