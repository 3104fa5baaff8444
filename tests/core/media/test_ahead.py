from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from core.media.ahead import ahead


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
