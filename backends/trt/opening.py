"""Open an engine file as a session. The caller has checked file and sidecar: a plan can run arbitrary code."""

from __future__ import annotations

from collections.abc import Callable

from backends.nvidia.gpu import cuda_number
from backends.nvidia.nvml import Gpu
from backends.trt.library import Library
from backends.trt.logger import Watch
from backends.trt.machine import cuda_of_package
from backends.trt.memory import CupyEngineDevice, EngineDevice
from backends.trt.opened_engine import KernelCache, OpenedEngine
from backends.trt.runtime_types import ICudaEngine, IRuntime
from backends.trt.session import TrtSession
from core.artifacts import Engine
from core.errors import UnavailableError
from cuda_plugins.signature import OPERATOR


def open_on(gpu: Gpu) -> CupyEngineDevice:
    """Return a GPU as a CuPy device.

    Raises:
        UnavailableError: CuPy is not installed, or CUDA does not see the GPU.
    """
    return CupyEngineDevice(cuda_number(gpu), f"{gpu.name} ({gpu.uuid})" if gpu.uuid else gpu.name)


MakeKernelCache = Callable[[ICudaEngine], KernelCache]
"""Gets the ``ICudaEngine``, in its CUDA context."""


def open_session(
    engine: Engine, library: Library, device: EngineDevice, *, graphs: bool, kernels: MakeKernelCache | None = None
) -> TrtSession:
    """Deserialise a checked plan on a device.

    Args:
        engine: The engine artifact.
        library: TensorRT or TensorRT-RTX.
        device: The device to run on.
        graphs: Launch repeated work as CUDA graphs.
        kernels: Creates the cache of kernels that are compiled at run time.

    Raises:
        HooklineError: The plan is damaged, a plugin is missing, or there is not enough memory.
    """
    return TrtSession(deserialise(engine, library, device, kernels), engine, device, graphs=graphs)


def deserialise(
    engine: Engine, library: Library, device: EngineDevice, kernels: MakeKernelCache | None = None
) -> OpenedEngine:
    """Deserialise a checked plan; see :func:`open_session`."""
    with device.here():
        if library.capabilities.plugins and OPERATOR in plugins_of(engine):
            register(library)
        runtime = _runtime(library)
        if engine.settings.get("version_compatible") == "True":
            runtime.engine_host_code_allowed = True  # the lean runtime in the plan; its sha256 has been checked
        if (core := engine.settings.get("dla", "None")).isdecimal():
            runtime.DLA_core = int(core)
        watch = Watch(library.journal)
        plan = runtime.deserialize_cuda_engine(engine.path.read_bytes())
        if plan is None:
            raise _refused(engine, watch)
        return OpenedEngine(library, runtime, plan, kernels(plan) if kernels else None)


def _runtime(library: Library) -> IRuntime:
    watch = Watch(library.journal)
    try:
        runtime: IRuntime = library.trt.Runtime(library.logger)
    except (TypeError, RuntimeError) as error:  # the bindings report a null pointer so
        reason = watch.reason_or(str(error).splitlines()[0])
        raise UnavailableError(
            f"{library.title} {library.version} does not start: {reason}", "check driver and GPU with +stage=doctor"
        ) from error
    return runtime


def plugins_of(engine: Engine) -> tuple[str, ...]:
    """Return the names of the plugins that an engine needs, from its sidecar."""
    return tuple(filter(None, engine.machine.get("plugins", "").split(",")))


def register(library: Library) -> None:
    """Register the plugins of hookline. Call this before parsing a model or opening a plan that needs them."""
    from cuda_plugins.yolo_layer_plugin import register as register_yolo_layer

    register_yolo_layer(library.trt)


def register_ahead_of_time(library: Library) -> None:
    """Register the ahead-of-time plugins, whose code is stored in the plan. Call this before parsing a model.

    Raises:
        UnavailableError: This TensorRT release has no ahead-of-time plugins.
        HooklineError: This process has built or opened an engine with the Python form.
    """
    from cuda_plugins.yolo_layer_aot import register as register_yolo_layer

    if not library.capabilities.ahead_of_time:
        raise UnavailableError(
            f"{library.title} {library.version} has no ahead-of-time plugins",
            "set runtimes.tensorrt.plugin=python, or install a later release",
        )
    register_yolo_layer(library.trt, cuda_of_package())


def _refused(engine: Engine, watch: Watch) -> Exception:
    name, reason = engine.path.name, watch.reason.lower()
    if "memory" in reason:
        return watch.error(
            f"there is not enough memory to open '{name}'",
            "close other programs on the GPU, or choose another GPU with device=cuda:N",
        )
    if "plugin" in reason or "creator" in reason:
        needs = ", ".join(plugins_of(engine)) or "none according to its sidecar"
        return watch.error(
            f"'{name}' needs a plugin that is not registered ({needs})",
            "install the package of that plugin here, or graft and build the model again",
        )
    return watch.error(
        f"'{name}' cannot be opened",
        f"build it again: +stage=build backend={engine.runtime} precision={engine.precision.value} reuse=false",
    )
