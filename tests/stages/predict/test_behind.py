from __future__ import annotations

import threading
import time

import pytest

from stages.predict.behind import behind


def threads() -> int:
    return sum(thread.name == "behind" for thread in threading.enumerate())


def test_everything_is_done_in_order_before_the_block_ends() -> None:
    done: list[int] = []

    def work(item: int) -> None:
        time.sleep(0.002)
        done.append(item)

    with behind(work, depth=2) as put:
        for item in range(20):
            put(item)
    assert done == list(range(20))
    assert threads() == 0


def test_an_error_of_the_work_reaches_the_producer_and_never_blocks_it() -> None:
    def work(item: int) -> None:
        raise ValueError(f"item {item}")

    def produce() -> None:
        with behind(work, depth=1) as put:
            for item in range(1000):
                put(item)

    with pytest.raises(ValueError, match="item 0"):
        produce()
    assert threads() == 0


def test_an_error_of_the_last_item_is_not_lost() -> None:
    def work(item: int) -> None:
        time.sleep(0.05)
        raise ValueError(f"item {item}")

    def produce() -> None:
        with behind(work) as put:
            put(7)

    with pytest.raises(ValueError, match="item 7"):
        produce()


def test_an_error_of_the_producer_keeps_what_was_handed_over() -> None:
    done: list[int] = []

    def work(item: int) -> None:
        time.sleep(0.05)
        done.append(item)

    def produce() -> None:
        with behind(work, depth=10) as put:
            for item in range(10):
                put(item)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        produce()
    assert done == list(range(10))
    assert threads() == 0
