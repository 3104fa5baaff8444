"""From a plan file to an engine in memory."""

from __future__ import annotations

from backends.trt.execution import Opened
from backends.trt.library import Library
from core.errors import HooklineError


def deserialise(library: Library, plan: bytes, title: str, *, host_code: bool = False) -> Opened:
    """The engine of a plan, on the current device of this thread; plugins it needs are registered already.

    Args:
        library: TensorRT.
        plan: Content of a plan file from a place that is trusted: an engine is executable.
        title: Of the engine, for messages.
        host_code: The plan may run code of its own on the CPU, as version-compatible ones do.

    Raises:
        HooklineError: It is damaged, or does not fit this TensorRT or GPU.
    """
    begun = library.journal.count
    runtime = library.trt.Runtime(library.logger)
    if host_code:
        runtime.engine_host_code_allowed = True
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise HooklineError(
            f"{library.title} {library.version} cannot open {title}: {library.journal.reason(begun)}",
            "build it again here with +stage=build reuse=false",
        )
    return Opened(library.trt, runtime, engine, lambda: library.journal.reason(begun))
