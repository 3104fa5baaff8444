"""Open an engine on the card; its compiled kernels are kept."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from types import ModuleType

from backends.nvidia.gpu import choose
from backends.nvidia.nvml import Gpu
from backends.trt.bindings import ICudaEngine, IExecutionContext
from backends.trt.library import load
from backends.trt.machine import AMPERE, numbers
from backends.trt.memory import CupyEngineDevice
from backends.trt.opening import open_on, open_session
from backends.trt.session import TrtSession
from backends.trt.timing_cache import read_known, write_whole
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


RUNTIME = "tensorrt_rtx"
CARDS = "compute_capabilities"
"""The entry of an engine's machine that names the cards; empty where TensorRT-RTX chose them."""


def this_release() -> dict[str, str]:
    """Of the library: an engine is for the release that built it and for no other."""
    return {RUNTIME: load(RUNTIME).version}


def open_engine(model: OnnxModel | Engine, device: str) -> TrtSession:
    """Open an engine on a GPU of this machine.

    What is compiled for the card is kept for the next time. CUDA graphs are left out: TensorRT-RTX goes on compiling
    while an engine runs, which nobody has tried here.

    Raises:
        HooklineError: It is no engine of this release or not for this card, or there is no GPU.
    """
    engine = check_engine_file(model, RUNTIME)
    check_release(engine)
    return _open_at(engine, *_place(engine, device))


def _place(engine: Engine, device: str) -> tuple[Gpu, CupyEngineDevice]:
    gpu = choose(device)
    check_card(engine, gpu)
    return gpu, open_on(gpu)


def _open_at(engine: Engine, gpu: Gpu, device: CupyEngineDevice) -> TrtSession:
    library = load(RUNTIME)

    def kernels(plan: ICudaEngine) -> CompiledKernels:
        return CompiledKernels(library.trt, plan, compiled_path(engine, gpu))

    return open_session(engine, library, device, graphs=False, kernels=kernels)


def compiled_path(engine: Engine, gpu: Gpu) -> Path:
    """Where it is kept what the card of this machine makes of an engine."""
    name = re.sub(r"[^\w.]+", "-", gpu.name)
    digest = engine.sha256 or file_digest(engine.path)
    return output_path(cache_home(), "tensorrt_rtx", "compiled", f"{digest}-{name}.cache")


def check_release(engine: Engine) -> None:
    """Refuse an engine of another release.

    Raises:
        HooklineError: Names both, and how to rebuild.
    """
    here, there = load(RUNTIME).version, engine.machine.get(RUNTIME, "an unknown release")
    if here != there:
        raise HooklineError(
            f"'{engine.path.name}' was built by TensorRT-RTX {there}, here is {here}, which cannot open it",
            f"build it again with +stage=build backend=tensorrt_rtx precision={engine.precision.value}",
        )


def check_card(engine: Engine, gpu: Gpu) -> None:
    """Refuse a card that the engine was not built for.

    Raises:
        HooklineError: Names the cards, and how to rebuild.
    """
    cards = [card for card in engine.machine.get(CARDS, "").split(",") if card]
    if not gpu.capability:
        return  # NVML does not tell it; TensorRT-RTX will
    here = target_of(gpu)
    fits = here in cards if cards else numbers(gpu.capability) >= AMPERE
    if not fits:
        wanted = ", ".join(cards) or "Ampere and later"
        raise HooklineError(
            f"'{engine.path.name}' was built for {wanted}, the {gpu.name} here is {here}",
            f"build it again with runtimes.tensorrt_rtx.compute_capabilities=[{','.join([*cards, here])}]",
        )


def try_out(engine: Engine, job: BuildJob) -> None:
    """Run a fresh engine where it can be run; elsewhere say why not: it may be for other cards, or machines."""
    if not job.warmup:
        return
    try:
        place = _place(engine, job.device)
    except HooklineError as problem:
        job.reporter.note(f"build: the engine was not run here: {problem.message}")
        return
    with _open_at(engine, *place) as session:
        warm_up(session, job.warmup)
