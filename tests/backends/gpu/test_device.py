"""Device arrays from their ``__cuda_array_interface__``, and CUDA errors as messages."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from backends.gpu.device import user_error, view
from core.errors import UnavailableError


def test_an_array_that_is_not_contiguous_is_refused():
    about = {"shape": (2, 3), "typestr": "<f4", "data": (64, False), "strides": (4, 8)}
    array: Any = SimpleNamespace(__cuda_array_interface__=about)
    with pytest.raises(ValueError, match=r"shape \(2, 3\) with strides \(4, 8\) is not contiguous"):
        view(array)


class CudaError(RuntimeError):
    def __init__(self, status: int) -> None:
        super().__init__(f"error {status}")
        self.status = status


def test_errors_of_the_machine_are_converted_and_bugs_are_not():
    assert str(user_error(CudaError(2), "cuda:1")).startswith("cuda:1 is out of memory (error 2); close other")
    assert isinstance(user_error(CudaError(46), "cuda:1"), UnavailableError)
    for bug in (CudaError(1), CudaError(700), RuntimeError("of another kind")):
        assert user_error(bug, "cuda:1") is None
