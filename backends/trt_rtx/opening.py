"""Open TensorRT-RTX engines, and keep the kernels that are compiled on the card."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from types import ModuleType

from backends.nvidia.gpu import choose
from backends.nvidia.nvml import Gpu
from backends.trt.library import load
from backends.trt.machine import AMPERE, numbers
from backends.trt.memory import CupyEngineDevice
from backends.trt.opening import open_on, open_session
from backends.trt.runtime_types import ICudaEngine, IExecutionContext
from backends.trt.session import TrtSession
from backends.trt.timing_cache import read_cache, write_cache
from backends.trt_rtx.targets import target_of
from core.artifacts import Engine, OnnxModel
from core.errors import HooklineError
from core.files.paths import output_path
from core.inference.detector import warm_up
from core.kinds.building import BuildJob
from core.process.environment import cache_home
from core.storage.digest import file_digest
from core.storage.sidecar import check_engine_file

log = logging.getLogger("hookline")


class RtxKernelCache:
    """The runtime cache of one engine; see :class:`backends.trt.opened_engine.KernelCache`.

    TensorRT-RTX checks that a stored cache fits its release, the card and the driver, and ignores any other.

    Args:
        trt: The module ``tensorrt_rtx``.
        engine: The ``trt.ICudaEngine``.
        path: The cache file; one per engine.
    """

    def __init__(self, trt: ModuleType, engine: ICudaEngine, path: Path) -> None:
        self._config = engine.create_runtime_config()
        self._config.set_execution_context_allocation_strategy(trt.ExecutionContextAllocationStrategy.USER_MANAGED)
        self._cache = self._config.create_runtime_cache()
        self._stored = read_cache(path)
        if self._stored and not self._cache.deserialize(self._stored):
            log.info("the runtime cache '%s' is damaged, or of another release, card or driver", path)
        self._config.set_runtime_cache(self._cache)
        self._engine, self._path = engine, path  # the engine last: attributes are deleted in this order

    def new_context(self) -> IExecutionContext | None:
        """Return an execution context without device memory; None if memory ran out."""
        return self._engine.create_execution_context(self._config)

    def keep(self) -> None:
        """Save the compiled kernels if there are new ones. A file that cannot be written is logged only."""
        content = bytes(self._cache.serialize() or b"")
        if content in {b"", self._stored}:
            return
        try:
            write_cache(self._path, content)
            self._stored = content
        except OSError as error:
            log.warning("the runtime cache '%s' cannot be written: %s", self._path, error.strerror)


RUNTIME = "tensorrt_rtx"
CARDS = "compute_capabilities"
"""Key of the cards in an engine's machine facts; empty if TensorRT-RTX chose them."""


def this_release() -> dict[str, str]:
    """Return the library release: an engine can be opened only by the release that built it."""
    return {RUNTIME: load(RUNTIME).version}


def open_engine(model: OnnxModel | Engine, device: str) -> TrtSession:
    """Open an engine on a GPU of this machine, and keep the kernels that are compiled for it.

    CUDA graphs are disabled: TensorRT-RTX continues to compile while an engine runs, and this has not been tested with
    graphs.

    Raises:
        HooklineError: The model is not an engine of this release or not for this card, or there is no GPU.
    """
    engine = check_engine_file(model, RUNTIME)
    check_release(engine)
    return _open_at(engine, *_fitting_gpu(engine, device))


def _fitting_gpu(engine: Engine, device: str) -> tuple[Gpu, CupyEngineDevice]:
    gpu = choose(device)
    check_card(engine, gpu)
    return gpu, open_on(gpu)


def _open_at(engine: Engine, gpu: Gpu, device: CupyEngineDevice) -> TrtSession:
    library = load(RUNTIME)

    def kernels(plan: ICudaEngine) -> RtxKernelCache:
        return RtxKernelCache(library.trt, plan, compiled_path(engine, gpu))

    return open_session(engine, library, device, graphs=False, kernels=kernels)


def compiled_path(engine: Engine, gpu: Gpu) -> Path:
    """Return the runtime cache file of an engine on a GPU."""
    name = re.sub(r"[^\w.]+", "-", gpu.name)
    digest = engine.sha256 or file_digest(engine.path)
    return output_path(cache_home(), "tensorrt_rtx", "compiled", f"{digest}-{name}.cache")


def check_release(engine: Engine) -> None:
    """Refuse an engine of another release.

    Raises:
        HooklineError: Names both releases and the rebuild command.
    """
    installed, built = load(RUNTIME).version, engine.machine.get(RUNTIME, "an unknown release")
    if installed != built:
        raise HooklineError(
            f"'{engine.path.name}' was built by TensorRT-RTX {built}; the installed {installed} cannot open it",
            f"build it again with +stage=build backend=tensorrt_rtx precision={engine.precision.value}",
        )


def check_card(engine: Engine, gpu: Gpu) -> None:
    """Refuse a card that the engine was not built for.

    Raises:
        HooklineError: Names the cards and the rebuild command.
    """
    cards = [name for name in engine.machine.get(CARDS, "").split(",") if name]
    if not gpu.capability:
        return  # NVML does not report it; TensorRT-RTX checks it
    card = target_of(gpu)
    fits = card in cards if cards else numbers(gpu.capability) >= AMPERE
    if not fits:
        wanted = ", ".join(cards) or "Ampere and later"
        raise HooklineError(
            f"'{engine.path.name}' was built for {wanted}, but the {gpu.name} here is {card}",
            f"build it again with runtimes.tensorrt_rtx.compute_capabilities=[{','.join([*cards, card])}]",
        )


def warm_up_here(engine: Engine, job: BuildJob) -> None:
    """Warm up a new engine if it fits this machine; otherwise report why not, since it may be for other cards."""
    if not job.warmup:
        return
    try:
        opened_on = _fitting_gpu(engine, job.device)
    except HooklineError as problem:
        job.reporter.note(f"build: the engine was not run here: {problem.message}")
        return
    with _open_at(engine, *opened_on) as session:
        warm_up(session, job.warmup)
