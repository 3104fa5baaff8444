"""Errors in functions that TensorRT calls.

TensorRT learns only that a callback failed and says so in its own words. So the error itself is logged and kept here,
for whoever called TensorRT to name as the cause.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

log = logging.getLogger("hookline")

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_errors: list[Exception] = []


def reported(callback: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Log and keep what the callback raises, and raise it again."""

    @functools.wraps(callback)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return callback(*args, **kwargs)
        except Exception as error:
            log.error("%s failed: %s: %s", callback.__qualname__.split(".")[-1], type(error).__name__, error)
            _errors.append(error)
            raise

    return call


def take_errors() -> tuple[Exception, ...]:
    """The errors since the last call, oldest first. Empty means that no callback failed."""
    taken = tuple(_errors)
    _errors.clear()
    return taken
