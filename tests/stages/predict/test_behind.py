from __future__ import annotations

import contextlib
import random
import signal
import threading
import time

import pytest

from stages.predict.pipeline import behind


def threads() -> int:
    """Return the number of threads that are left; one that has finished its work may need a moment to end."""
    end = time.monotonic() + 5
    while (found := sum(thread.name == "behind" for thread in threading.enumerate())) and time.monotonic() < end:
        time.sleep(0.01)
    return found


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


@pytest.mark.parametrize("seed", range(3))
def test_an_interruption_at_any_moment_ends_the_block(seed: int) -> None:
    """queue.Queue in its place left the thread waiting for ever, within some hundred trials."""
    chance, trials = random.Random(seed), list[int]()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    def trial() -> None:
        with behind(lambda _: time.sleep(0.0002)) as put:
            signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.0003, 0.004))
            while True:
                put(1)

    former = signal.signal(signal.SIGALRM, interrupt)
    try:
        while len(trials) < 300:
            with contextlib.suppress(KeyboardInterrupt):
                trial()
            trials.append(1)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


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


def test_ctrl_c_while_the_rest_is_waited_for_still_waits_for_it() -> None:
    done: list[int] = []

    def work(item: int) -> None:
        time.sleep(0.2)
        done.append(item)

    main = threading.main_thread().ident
    timer = threading.Timer(0.3, signal.pthread_kill, [main, signal.SIGINT])
    with pytest.raises(KeyboardInterrupt), behind(work) as put:  # noqa: PT012 - it is raised at the end of the block
        for item in range(4):
            put(item)
        timer.start()
    at_once = list(done)
    while threads():
        time.sleep(0.01)
    assert at_once == [0, 1, 2, 3]
