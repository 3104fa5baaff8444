"""From an ONNX file to a plan: network, parser, options, profile, build. For ``tensorrt`` and ``tensorrt_rtx``.

What TensorRT returns is checked everywhere: it tells of failure by None, false or -1, and says why only in its log.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from backends.trt.bindings import IBuilder, IBuilderConfig, INetworkDefinition, IOnnxParser
from backends.trt.capabilities import network_flags
from backends.trt.failures import Watch
from backends.trt.library import Library
from backends.trt.monitor import BuildProgress, cancellable, make_monitor
from backends.trt.options import TrtOptions
from backends.trt.settings import SizeProfile, apply_options
from backends.trt.timing_cache import TimingCache
from core.errors import HooklineError


@dataclass(frozen=True)
class BuildSpec:
    """What is built.

    Attributes:
        model: The ONNX file.
        profile: Sizes of the input, None where they are static.
        options: Of the runtime.
        weak: TensorRT chooses the precisions by itself.
        register: Makes plugins known, before the file is read.
        configure: Sets more of the ``IBuilderConfig``, e.g. the cards.
        prepare: Makes the last changes to network and configuration, e.g. adds a calibrator.
        timing: Where measurements are kept.
        here: Makes the GPU that is built for the current one of a thread.
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


def build_plan(library: Library, recipe: BuildSpec, course: BuildProgress | None = None) -> bytes:
    """Build; the content of a plan file.

    Args:
        library: TensorRT.
        recipe: What is built.
        course: Hears of the phases, and can end the build.

    Raises:
        HooklineError: What TensorRT refuses, with the lines of its log that say why.
        KeyboardInterrupt: The user ended it.
    """
    course = course or BuildProgress()
    return cancellable(lambda: _build(library, recipe, course), course)


def _build(library: Library, recipe: BuildSpec, course: BuildProgress) -> bytes:
    trt = library.trt
    with recipe.here():
        if recipe.register:
            recipe.register()
        builder = make_builder(library)
        network = builder.create_network(network_flags(trt, weak=recipe.weak))
        parse(library, network, recipe.model)
        config = builder.create_builder_config()
        config.progress_monitor = make_monitor(trt, course)
        check_dla(library, builder, recipe)
        apply_options(library, config, recipe.options)
        if recipe.profile:
            add_profile(library, builder, config, recipe.profile)
        if recipe.configure:
            recipe.configure(config)
        if recipe.prepare:
            recipe.prepare(network, config)
        cache = recipe.timing.attach(config) if recipe.timing else None
        watch = Watch(library)
        plan = builder.build_serialized_network(network, config)
        if plan is None:
            raise watch.error(f"{library.title} cannot build '{recipe.model.name}'", _remedy(watch.reason))
        if recipe.timing and cache is not None:
            recipe.timing.keep(config)
        return bytes(plan)


def make_builder(library: Library) -> IBuilder:
    """A builder.

    Raises:
        HooklineError: CUDA or TensorRT does not start.
    """
    watch = Watch(library)
    builder: IBuilder | None
    try:
        builder = library.trt.Builder(library.logger)
    except (TypeError, RuntimeError) as error:  # the bindings' words for a null pointer
        builder, said = None, str(error).splitlines()[0]
    else:
        said = ""
    if builder is None:
        raise HooklineError(
            f"{library.title} {library.version} makes no builder: {watch.reason_or(said)}",
            "+stage=doctor looks at driver and GPU",
        )
    return builder


def check_dla(library: Library, builder: IBuilder, recipe: BuildSpec) -> None:
    """Refuse a DLA core that this machine does not have, or sizes that none takes.

    Raises:
        HooklineError: Says which.
    """
    core, profile = recipe.options.dla, recipe.profile
    if core is None or not library.capabilities.dla:
        return  # what a release does not know is refused with the other options
    if core >= builder.num_DLA_cores:
        raise HooklineError(
            f"runtimes.tensorrt.dla is {core}, and this machine has {builder.num_DLA_cores} DLA cores",
            "they are counted from 0; null runs all on the GPU",
        )
    if profile and profile.min != profile.max:
        raise HooklineError(
            f"a DLA core takes one size, and the engine is for {profile}",
            "give build.batch and build.imgsz one value each",
        )


def parse(library: Library, network: INetworkDefinition, model: Path) -> None:
    """Read an ONNX file into the network.

    Raises:
        HooklineError: It is damaged, or holds what TensorRT does not take; names the node.
    """
    watch = Watch(library)
    parser: IOnnxParser = library.trt.OnnxParser(network, library.logger)
    if not parser.parse(model.read_bytes()):
        raise watch.error(
            f"{library.title} cannot read '{model.name}'",
            "make the file again with +stage=graft; docs/tensorrt.md says what TensorRT takes",
            said=_parser_error(parser),
        )
    if not network.num_outputs:
        raise HooklineError(
            f"{library.title} cannot read '{model.name}': it holds no network", "make the file again with reuse=false"
        )


def add_profile(library: Library, builder: IBuilder, config: IBuilderConfig, profile: SizeProfile) -> None:
    """Tell the builder the sizes of the input.

    Raises:
        HooklineError: TensorRT refuses them.
    """
    watch = Watch(library)
    made = builder.create_optimization_profile()
    try:
        made.set_shape(profile.name, profile.min, profile.opt, profile.max)
        refused = config.add_optimization_profile(made) < 0
    except (ValueError, RuntimeError):  # what the bindings see themselves; the log says more
        refused = True
    if refused:
        raise HooklineError(
            f"{library.title} refuses the sizes {profile}: {watch.reason}",
            "build.batch and build.imgsz say them: min <= opt <= max",
        )


def _remedy(reason: str) -> str:
    low = reason.lower()
    if "insufficient workspace" in low or "find any implementation" in low:
        return "give kernels more room with runtimes.tensorrt.workspace=null; +stage=doctor looks at the installation"
    if "memory" in low:
        return "free memory of the GPU, choose another with device=, or build a smaller build.batch or build.imgsz"
    if "cudaerror 35" in low or "driver" in low:
        return "+stage=doctor looks at the driver"
    return "see docs/tensorrt.md; +stage=doctor checks the installation"


def _parser_error(parser: IOnnxParser) -> str:
    """The first of its errors; empty where it tells none."""
    if not parser.num_errors:
        return ""
    error = parser.get_error(0)
    where = f"node '{error.node_name()}' ({error.node_operator()}): " if error.node_operator() else ""
    return f"{where}{error.desc()}"
