"""Errors of the CUDA runtime that come of the machine and not of a bug, in one line each."""

from __future__ import annotations

from core.errors import HooklineError, UnavailableError

MEMORY = 2
MEMORY_HINT = "end what else runs on it, take a freer one with device=cuda:N, or use smaller batches"
UNUSABLE = frozenset({3, 35, 46, 100, 214, 220, 304, 802, 803, 804, 805, 806, 807, 808, 809, 999})
"""``cudaError_t``: the GPU, its driver or a service of it cannot be used, as 46: another process has it for itself."""


def in_one_line(error: Exception, title: str) -> HooklineError | None:
    """What a ``CUDARuntimeError`` of CuPy says to a user; None for what only a bug can be, as an illegal address.

    Args:
        error: Its attribute ``status`` is the ``cudaError_t``.
        title: Where it happened, e.g. ``cuda:1``.
    """
    status = getattr(error, "status", None)
    if status == MEMORY:
        return HooklineError(f"{title} has no memory left ({error})", MEMORY_HINT)
    if status in UNUSABLE:
        return UnavailableError(
            f"{title} cannot be used ({error})",
            "end what else may hold it, or take another with device=cuda:N; +stage=doctor looks closer",
        )
    return None
