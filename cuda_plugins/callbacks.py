"""Errors in functions that TensorRT calls.

TensorRT learns only that a callback failed and says so in its own words. So the error itself is logged and kept here,
for whoever called TensorRT to name as the cause: TensorRT calls back in the thread that called it.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

log = logging.getLogger("hookline")

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class _Kept(threading.local):
    """The errors of a thread."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []


_kept = _Kept()


def reported(callback: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Log and keep what the callback raises, and raise it again."""

    @functools.wraps(callback)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return callback(*args, **kwargs)
        except Exception as error:
            log.error("%s failed: %s: %s", callback.__qualname__.split(".")[-1], type(error).__name__, error)
            _kept.errors.append(error)
            raise

    return call


def take_errors() -> tuple[Exception, ...]:
    """The errors in this thread since the last call, oldest first. Empty means that no callback failed."""
    taken = tuple(_kept.errors)
    _kept.errors.clear()
    return taken
