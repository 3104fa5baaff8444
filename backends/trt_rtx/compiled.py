"""What TensorRT-RTX compiles for the card while an engine runs, kept from program to program."""

from __future__ import annotations

import logging
from pathlib import Path
from types import ModuleType

from backends.trt.bindings import ICudaEngine, IExecutionContext
from backends.trt.files import read_known, write_whole

log = logging.getLogger("hookline")


class CompiledKernels:
    """The runtime cache of one engine; see :class:`backends.trt.execution.Kernels`.

    TensorRT-RTX itself checks that what was kept is of this release, card and driver, and takes nothing of another.

    Args:
        trt: The module ``tensorrt_rtx``.
        engine: ``trt.ICudaEngine``.
        path: Where it is kept; one file an engine.
    """

    def __init__(self, trt: ModuleType, engine: ICudaEngine, path: Path) -> None:
        self._config = engine.create_runtime_config()
        self._config.set_execution_context_allocation_strategy(trt.ExecutionContextAllocationStrategy.USER_MANAGED)
        self._cache = self._config.create_runtime_cache()
        self._known = read_known(path)
        if self._known and not self._cache.deserialize(self._known):
            log.info("what was compiled in '%s' is damaged, or of another release, card or driver", path)
        self._config.set_runtime_cache(self._cache)
        self._engine, self._path = engine, path  # the engine last: attributes are given up in this order

    def new_context(self) -> IExecutionContext | None:
        """An execution context whose memory its user gives it; None where there is no room."""
        return self._engine.create_execution_context(self._config)

    def keep(self) -> None:
        """Write what has been compiled, where it is more than before; that it cannot be written is told in the log."""
        content = bytes(self._cache.serialize() or b"")
        if content in {b"", self._known}:
            return
        try:
            write_whole(self._path, content)
            self._known = content
        except OSError as error:
            log.warning("what was compiled cannot be kept in '%s': %s", self._path, error.strerror)
