"""Build a plan from an ONNX file with TensorRT or TensorRT-RTX.

Every return value of TensorRT is checked: it reports failures as None, false or -1, and the reason only in its log.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from backends.trt.builder_types import IBuilder, IBuilderConfig, INetworkDefinition, IOnnxParser
from backends.trt.capabilities import network_flags
from backends.trt.library import Library
from backends.trt.logger import Watch
from backends.trt.monitor import BuildProgress, cancellable, make_monitor
from backends.trt.options import TrtOptions
from backends.trt.settings import SizeProfile, apply_options
from backends.trt.timing_cache import TimingCache
from core.errors import HooklineError


@dataclass(frozen=True)
class BuildSpec:
    """The input of a build.

    Attributes:
        model: The ONNX file.
        profile: The optimisation profile; None if all shapes are static.
        options: Options of the runtime.
        weak: TensorRT chooses the precisions.
        register: Registers plugins before the file is parsed.
        configure: Sets more of the ``IBuilderConfig``, for example the target GPUs.
        prepare: Makes the last changes to network and configuration, for example adds a calibrator.
        timing: The timing cache.
        here: Makes the target GPU the current device of a thread.
    """

    model: Path
    profile: SizeProfile | None = None
    options: TrtOptions = field(default_factory=TrtOptions)
    weak: bool = False
    register: Callable[[], None] | None = None
    configure: Callable[[IBuilderConfig], None] | None = None
    prepare: Callable[[INetworkDefinition, IBuilderConfig], None] | None = None
    timing: TimingCache | None = None
    here: Callable[[], AbstractContextManager[object]] = nullcontext


def build_plan(library: Library, spec: BuildSpec, progress: BuildProgress | None = None) -> bytes:
    """Build an engine and return the content of its plan file.

    Args:
        library: TensorRT or TensorRT-RTX.
        spec: The input of the build.
        progress: Receives the phases, and can stop the build.

    Raises:
        HooklineError: TensorRT refuses the build; quotes the lines of its log with the reason.
        KeyboardInterrupt: The user stopped the build.
    """
    progress = progress or BuildProgress()
    return cancellable(lambda: _build(library, spec, progress), progress)


def _build(library: Library, spec: BuildSpec, progress: BuildProgress) -> bytes:
    trt = library.trt
    with spec.here():
        if spec.register:
            spec.register()
        builder = make_builder(library)
        network = builder.create_network(network_flags(trt, weak=spec.weak))
        parse(library, network, spec.model)
        config = builder.create_builder_config()
        config.progress_monitor = make_monitor(trt, progress)
        check_dla(library, builder, spec)
        apply_options(library, config, spec.options)
        if spec.profile:
            add_profile(library, builder, config, spec.profile)
        if spec.configure:
            spec.configure(config)
        if spec.prepare:
            spec.prepare(network, config)
        cache = spec.timing.attach(config) if spec.timing else None
        watch = Watch(library.journal)
        plan = builder.build_serialized_network(network, config)
        if plan is None:
            raise watch.error(f"{library.title} cannot build '{spec.model.name}'", _remedy(watch.reason))
        if spec.timing and cache is not None:
            spec.timing.keep(config)
        return bytes(plan)


def make_builder(library: Library) -> IBuilder:
    """Create a builder.

    Raises:
        HooklineError: CUDA or TensorRT does not start.
    """
    watch = Watch(library.journal)
    builder: IBuilder | None
    try:
        builder = library.trt.Builder(library.logger)
    except (TypeError, RuntimeError) as error:  # the bindings report a null pointer so
        builder, detail = None, str(error).splitlines()[0]
    else:
        detail = ""
    if builder is None:
        raise HooklineError(
            f"{library.title} {library.version} cannot create a builder: {watch.reason_or(detail)}",
            "check driver and GPU with +stage=doctor",
        )
    return builder


def check_dla(library: Library, builder: IBuilder, spec: BuildSpec) -> None:
    """Refuse a DLA core that this machine does not have, and dynamic shapes on a DLA core.

    Raises:
        HooklineError: Names the problem.
    """
    core, profile = spec.options.dla, spec.profile
    if core is None or not library.capabilities.dla:
        return  # apply_options refuses options that the release does not support
    if core >= builder.num_DLA_cores:
        raise HooklineError(
            f"runtimes.tensorrt.dla is {core}, but this machine has {builder.num_DLA_cores} DLA cores",
            "cores are numbered from 0; null runs everything on the GPU",
        )
    if profile and profile.min != profile.max:
        raise HooklineError(
            f"a DLA core supports static shapes only, but the engine is for {profile}",
            "set build.batch and build.imgsz to one value each",
        )


def parse(library: Library, network: INetworkDefinition, model: Path) -> None:
    """Parse an ONNX file into the network.

    Raises:
        HooklineError: The file is damaged, or TensorRT does not support a node; names the node.
    """
    watch = Watch(library.journal)
    parser: IOnnxParser = library.trt.OnnxParser(network, library.logger)
    if not parser.parse(model.read_bytes()):
        raise watch.error(
            f"{library.title} cannot read '{model.name}'",
            "write the file again with +stage=graft; docs/tensorrt.md lists what TensorRT supports",
            reason=_parser_error(parser),
        )
    if not network.num_outputs:
        raise HooklineError(
            f"{library.title} cannot read '{model.name}': it has no network", "write the file again with reuse=false"
        )


def add_profile(library: Library, builder: IBuilder, config: IBuilderConfig, profile: SizeProfile) -> None:
    """Add an optimisation profile to the build.

    Raises:
        HooklineError: TensorRT refuses the profile.
    """
    watch = Watch(library.journal)
    created = builder.create_optimization_profile()
    try:
        created.set_shape(profile.name, profile.min, profile.opt, profile.max)
        refused = config.add_optimization_profile(created) < 0
    except (ValueError, RuntimeError):  # raised by the bindings; the log has more details
        refused = True
    if refused:
        raise HooklineError(
            f"{library.title} refuses the shapes {profile}: {watch.reason}",
            "set build.batch and build.imgsz so that min <= opt <= max",
        )


def _remedy(reason: str) -> str:
    lower = reason.lower()
    if "insufficient workspace" in lower or "find any implementation" in lower:
        return "set runtimes.tensorrt.workspace=null for more scratch memory; check the installation with +stage=doctor"
    if "memory" in lower:
        return "free GPU memory, choose another GPU with device=, or set a smaller build.batch or build.imgsz"
    if "cudaerror 35" in lower or "driver" in lower:
        return "check the driver with +stage=doctor"
    return "see docs/tensorrt.md; check the installation with +stage=doctor"


def _parser_error(parser: IOnnxParser) -> str:
    """Return the first error of the parser; empty if it has none."""
    if not parser.num_errors:
        return ""
    error = parser.get_error(0)
    where = f"node '{error.node_name()}' ({error.node_operator()}): " if error.node_operator() else ""
    return f"{where}{error.desc()}"
