"""Whether a GPU can be used, for the descriptors of parts. Nothing is imported before a call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from core.errors import HooklineError
from core.kinds.part import Availability

if TYPE_CHECKING:
    from backends.system.host import Host


def probe_gpu(host: Host | None = None) -> Availability | None:
    """Return why no GPU can be used, from files and ``CUDA_VISIBLE_DEVICES``; None if nothing prevents it.

    Loads no NVIDIA library into this process, so that runs on the CPU do not depend on one.
    """
    from backends.nvidia.driver import driver_problem

    problem = driver_problem(host)
    return Availability(usable=False, reason=problem.found, hint=problem.remedy) if problem else None


def check_device(device: str) -> Iterable[HooklineError]:
    """Yield an error if the GPU does not exist, according to NVML. Starts nothing on a GPU."""
    from backends.nvidia.gpu import choose

    try:
        choose(device)
    except HooklineError as problem:
        yield problem
