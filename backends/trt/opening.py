"""From a plan file and its sidecar to a session. What calls this has checked both: a plan can run any code."""

from __future__ import annotations

from collections.abc import Callable

from backends.nvidia.gpu import cuda_number
from backends.nvidia.nvml import Gpu
from backends.trt.bindings import ICudaEngine, IRuntime
from backends.trt.execution import Kernels, Opened
from backends.trt.failures import Watch
from backends.trt.library import Library
from backends.trt.machine import cuda_of_package
from backends.trt.memory import CupyEngineDevice, EngineDevice
from backends.trt.session import TrtSession
from core.artifacts import Engine
from core.errors import UnavailableError
from cuda_plugins.signature import OPERATOR


def open_on(gpu: Gpu) -> CupyEngineDevice:
    """A GPU through CuPy.

    Raises:
        UnavailableError: CuPy is not there, or CUDA does not see the GPU.
    """
    return CupyEngineDevice(cuda_number(gpu), f"{gpu.name} ({gpu.uuid})" if gpu.uuid else gpu.name)


MakeKernels = Callable[[ICudaEngine], Kernels]
"""Gets the ``ICudaEngine``, in its CUDA context."""


def open_session(
    engine: Engine, library: Library, device: EngineDevice, *, graphs: bool, kernels: MakeKernels | None = None
) -> TrtSession:
    """Deserialise a plan, which was checked, on a device.

    Args:
        engine: Its file holds the plan.
        library: TensorRT, or TensorRT-RTX.
        device: Where it is to run.
        graphs: Launch repeated work as CUDA graphs.
        kernels: Keeps what is compiled while the engine runs.

    Raises:
        HooklineError: The plan is damaged or needs a plugin that is not there, or memory is short; says what to do.
    """
    return TrtSession(deserialise(engine, library, device, kernels), engine, device, graphs=graphs)


def deserialise(engine: Engine, library: Library, device: EngineDevice, kernels: MakeKernels | None = None) -> Opened:
    """The engine of a plan; arguments and errors as those of :func:`open_session`."""
    with device.here():
        if library.capabilities.plugins and OPERATOR in plugins_of(engine):
            register(library)
        runtime = _runtime(library)
        if engine.settings.get("version_compatible") == "True":
            runtime.engine_host_code_allowed = True  # the lean runtime in the plan; its sha256 has been checked
        if (core := engine.settings.get("dla", "None")).isdecimal():
            runtime.DLA_core = int(core)
        watch = Watch(library)
        plan = runtime.deserialize_cuda_engine(engine.path.read_bytes())
        if plan is None:
            raise _refused(engine, watch)
        return Opened(library, runtime, plan, kernels(plan) if kernels else None)


def _runtime(library: Library) -> IRuntime:
    watch = Watch(library)
    try:
        runtime: IRuntime = library.trt.Runtime(library.logger)
    except (TypeError, RuntimeError) as error:  # the bindings' words for a null pointer
        reason = watch.reason_or(str(error).splitlines()[0])
        raise UnavailableError(
            f"{library.title} {library.version} does not start: {reason}", "+stage=doctor looks at driver and GPU"
        ) from error
    return runtime


def plugins_of(engine: Engine) -> tuple[str, ...]:
    """Names of the plugins that an engine needs, by its sidecar."""
    return tuple(filter(None, engine.machine.get("plugins", "").split(",")))


def register(library: Library) -> None:
    """Make the plugins of this project known, before a model is parsed or a plan opened that needs them."""
    from cuda_plugins.yolo_layer_plugin import register as register_yolo_layer

    register_yolo_layer(library.trt)


def register_ahead_of_time(library: Library) -> None:
    """Make the form of the plugins known whose code goes into the plan, before a model is parsed.

    Raises:
        UnavailableError: This TensorRT takes no such plugins.
        HooklineError: This process has opened or built an engine with the other form.
    """
    from cuda_plugins.yolo_layer_aot import register as register_yolo_layer

    if not library.capabilities.ahead_of_time:
        raise UnavailableError(
            f"{library.title} {library.version} takes no plugins whose code goes into the engine",
            "set runtimes.tensorrt.plugin=python, or use a later release",
        )
    register_yolo_layer(library.trt, cuda_of_package())


def _refused(engine: Engine, watch: Watch) -> Exception:
    name, low = engine.path.name, watch.reason.lower()
    if "memory" in low:
        return watch.error(
            f"there is not enough memory to open '{name}'",
            "end what else runs on the GPU, or take a freer one with device=cuda:N",
        )
    if "plugin" in low or "creator" in low:
        needs = ", ".join(plugins_of(engine)) or "none by its sidecar"
        return watch.error(
            f"'{name}' needs a plugin that is not registered ({needs})",
            "a package that brings plugins must be installed here too; or graft and build it again",
        )
    return watch.error(
        f"'{name}' cannot be opened",
        f"build it again: +stage=build backend={engine.runtime} precision={engine.precision.value} reuse=false",
    )
