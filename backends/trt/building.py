"""From an ONNX file to a plan: network, parser, options, profile, build. For ``tensorrt`` and ``tensorrt_rtx``.

What TensorRT returns is checked everywhere: it tells of failure by None, false or -1, and says why only in its log.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backends.trt.capabilities import network_flags
from backends.trt.library import Library
from backends.trt.monitor import Course, cancellable, make_monitor
from backends.trt.options import TrtOptions
from backends.trt.profiles import Profile
from backends.trt.settings import apply_options
from backends.trt.timing_cache import TimingCache
from core.errors import HooklineError

Prepare = Callable[[Any, Any], None]
"""Gets the network and the ``IBuilderConfig`` last before the build."""


@dataclass(frozen=True)
class Recipe:
    """What is built.

    Attributes:
        model: The ONNX file.
        profile: Sizes of the input, None where they are static.
        options: Of the runtime.
        weak: TensorRT chooses the precisions by itself.
        register: Makes plugins known, before the file is read.
        prepare: Last changes, as targets or a calibrator.
        timing: Where measurements are kept.
        here: Makes the GPU that is built for the current one of a thread.
    """

    model: Path
    profile: Profile | None = None
    options: TrtOptions = field(default_factory=TrtOptions)
    weak: bool = False
    register: Callable[[Any], None] | None = None
    prepare: tuple[Prepare, ...] = ()
    timing: TimingCache | None = None
    here: Callable[[], AbstractContextManager[Any]] = nullcontext


def build_plan(library: Library, recipe: Recipe, course: Course | None = None) -> bytes:
    """Build; the content of a plan file.

    Args:
        library: TensorRT.
        recipe: What is built.
        course: Hears of the phases, and can end the build.

    Raises:
        HooklineError: What TensorRT refuses, with the lines of its log that say why.
        KeyboardInterrupt: The user ended it.
    """
    course = course or Course()
    return cancellable(lambda: _build(library, recipe, course), course)


def _build(library: Library, recipe: Recipe, course: Course) -> bytes:
    trt, begun = library.trt, library.journal.count
    with recipe.here():
        if recipe.register:
            recipe.register(trt)
        builder = make_builder(library)
        network = builder.create_network(network_flags(trt, weak=recipe.weak))
        parse(library, network, recipe.model)
        config = builder.create_builder_config()
        # A Python object that the configuration does not keep alive.
        config.progress_monitor = monitor = make_monitor(trt, course)
        check_dla(library, builder, recipe)
        apply_options(library, config, recipe.options)
        if recipe.profile:
            add_profile(library, builder, config, recipe.profile)
        for change in recipe.prepare:
            change(network, config)
        cache = recipe.timing.attach(config) if recipe.timing else None
        plan = builder.build_serialized_network(network, config)
        del monitor
        if plan is None:
            raise not_built(library, recipe.model, begun)
        if recipe.timing and cache is not None:
            recipe.timing.keep(config)
        return bytes(plan)


def make_builder(library: Library) -> Any:
    """A builder.

    Raises:
        HooklineError: CUDA or TensorRT does not start.
    """
    begun = library.journal.count
    try:
        builder = library.trt.Builder(library.logger)
    except (TypeError, RuntimeError) as error:  # the bindings' words for a null pointer
        builder, said = None, str(error).splitlines()[0]
    else:
        said = ""
    if builder is None:
        why = library.journal.reason(begun) if library.journal.since(begun) else said or "it does not say why"
        raise HooklineError(
            f"{library.title} {library.version} makes no builder: {why}", "+stage=doctor looks at driver and GPU"
        )
    return builder


def check_dla(library: Library, builder: Any, recipe: Recipe) -> None:
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


def parse(library: Library, network: Any, model: Path) -> None:
    """Read an ONNX file into the network.

    Raises:
        HooklineError: It is damaged, or holds what TensorRT does not take; names the node.
    """
    begun = library.journal.count
    parser = library.trt.OnnxParser(network, library.logger)
    if not parser.parse(model.read_bytes()):
        raise HooklineError(
            f"{library.title} cannot read '{model.name}': {_parser_error(library, parser, begun)}",
            "make the file again with +stage=graft; docs/tensorrt.md says what TensorRT takes",
        )
    if not network.num_outputs:
        raise HooklineError(
            f"{library.title} cannot read '{model.name}': it holds no network", "make the file again with reuse=false"
        )


def add_profile(library: Library, builder: Any, config: Any, profile: Profile) -> None:
    """Tell the builder the sizes of the input.

    Raises:
        HooklineError: TensorRT refuses them.
    """
    begun = library.journal.count
    made = builder.create_optimization_profile()
    try:
        made.set_shape(profile.name, profile.min, profile.opt, profile.max)
        refused = config.add_optimization_profile(made) < 0
    except (ValueError, RuntimeError):  # what the bindings see themselves; the log says more
        refused = True
    if refused:
        raise HooklineError(
            f"{library.title} refuses the sizes {profile}: {library.journal.reason(begun)}",
            "build.batch and build.imgsz say them: min <= opt <= max",
        )


def not_built(library: Library, model: Path, begun: int) -> HooklineError:
    """Why there is no plan: what failed in a plugin of ours, else what the log says."""
    from cuda_plugins.callbacks import take_errors

    if failed := take_errors():
        cause, hint = str(failed[0]), "the log has the rest"
        if isinstance(failed[0], HooklineError):
            cause, hint = failed[0].message, failed[0].hint
        return HooklineError(f"{library.title} cannot build '{model.name}': a plugin failed: {cause}", hint)
    reason = library.journal.reason(begun)
    return HooklineError(f"{library.title} cannot build '{model.name}': {reason}", _remedy(reason))


def _remedy(reason: str) -> str:
    low = reason.lower()
    if "insufficient workspace" in low or "find any implementation" in low:
        return "give kernels more room with runtimes.tensorrt.workspace=null; +stage=doctor looks at the installation"
    if "memory" in low:
        return "free memory of the GPU, choose another with device=, or build a smaller build.batch or build.imgsz"
    if "cudaerror 35" in low or "driver" in low:
        return "+stage=doctor looks at the driver"
    return "docs/tensorrt.md tells what is known; +stage=doctor looks at the installation"


def _parser_error(library: Library, parser: Any, begun: int) -> str:
    if not parser.num_errors:
        return library.journal.reason(begun)
    error = parser.get_error(0)
    where = f"node '{error.node_name()}' ({error.node_operator()}): " if error.node_operator() else ""
    return f"{where}{error.desc()}"
