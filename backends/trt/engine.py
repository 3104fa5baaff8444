"""TensorRT engines: build, check the layer precisions, warm up, and describe in the artifact."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from backends.nvidia.nvml import Gpu
from backends.trt import opening
from backends.trt.building import BuildSpec, build_plan
from backends.trt.inspection import Precisions, check_precisions, inspect, read_layers
from backends.trt.library import Library
from backends.trt.machine import machine_facts, numbers
from backends.trt.memory import EngineDevice
from backends.trt.monitor import BuildProgress
from backends.trt.options import Hardware, PluginForm, TrtOptions
from backends.trt.quantising import Quantising, check_calibrators
from backends.trt.session import TrtSession
from backends.trt.settings import SizeProfile, read_profile
from backends.trt.timing_cache import TimingCache, timing_cache
from core.artifacts import Engine
from core.errors import HooklineError
from core.files.onnx_file import read_onnx
from core.inference.detector import warm_up
from core.kinds.building import BuildJob, BuildReporter
from core.model_facts import InputContract, Precision
from core.storage.digest import file_digest
from core.storage.serial import encode
from cuda_plugins.signature import OPERATOR

RUNTIME = "tensorrt"
MINIMUM_CAPABILITY = {Hardware.ampere_plus: "8.0", Hardware.same_compute_capability: "7.5"}
"""The minimum compute capability of a group of GPUs, from NVIDIA's ``HardwareCompatibilityLevel``."""


@dataclass(frozen=True)
class BuildDevice:
    """The library and the GPU of a build.

    Attributes:
        library: TensorRT.
        gpu: The GPU, as NVML describes it.
        device: The GPU as a CUDA device.
    """

    library: Library
    gpu: Gpu
    device: EngineDevice


def build_engine(job: BuildJob, options: TrtOptions, target: BuildDevice) -> Engine:
    """Build the plan, check the precision of its layers, and run it.

    Args:
        job: The build job; with ``calibration`` TensorRT quantises the model itself.
        options: Options of the runtime.
        target: Library and GPU.

    Raises:
        HooklineError: Model, sizes or options are not supported here, or the engine does not have the requested
            precision.
    """
    _check_request(job, options, target)
    profile, contract = read_profile(job.model, job.batch, job.imgsz)
    spec = _build_spec(job, options, target, profile)
    job.target.write_bytes(_plan(job, spec, contract, target))
    return _checked(_artifact(job, options, target, profile, contract), profile, target, job)


def _check_request(job: BuildJob, options: TrtOptions, target: BuildDevice) -> None:
    """Refuse what the library or the GPU cannot build, before any work."""
    if job.calibration is not None:
        check_calibrators(target.library)
    check_hardware(options.hardware, target.gpu)
    if options.dla is not None and job.model.precision is Precision.fp32 and job.calibration is None:
        raise HooklineError("a DLA core supports float16 and int8 only", "set precision=fp16 or precision=int8")


def _build_spec(job: BuildJob, options: TrtOptions, target: BuildDevice, profile: SizeProfile | None) -> BuildSpec:
    ahead_of_time = options.plugin is PluginForm.ahead_of_time
    register = opening.register_ahead_of_time if ahead_of_time else opening.register
    return BuildSpec(
        model=job.model.path,
        profile=profile,
        options=options,
        register=partial(register, target.library) if plugins_in(job.model.path) else None,
        timing=_timing(options, target, job.cache_dir),
        here=target.device.here,
    )


def _artifact(
    job: BuildJob, options: TrtOptions, target: BuildDevice, profile: SizeProfile | None, contract: InputContract
) -> Engine:
    model = job.model.path
    plugins = () if options.plugin is PluginForm.ahead_of_time else plugins_in(model)
    machine = {
        **machine_facts(target.library, target.gpu, plugins),
        "profile": str(profile or ""),
        "model": file_digest(model),
    }
    return job.engine(RUNTIME, machine, contract=contract, settings=_settings(job, options))


def check_hardware(hardware: Hardware, gpu: Gpu) -> None:
    """Refuse to build for a group of GPUs that this GPU does not belong to.

    Raises:
        HooklineError: Names the minimum compute capability of the group.
    """
    minimum = MINIMUM_CAPABILITY.get(hardware)
    if minimum and gpu.capability and numbers(gpu.capability) < numbers(minimum):
        raise HooklineError(
            f"runtimes.tensorrt.hardware={hardware.value} needs compute capability {minimum}, but the {gpu.name} has"
            f" {gpu.capability}",
            "remove the option, or build on a newer GPU",
        )


def plugins_in(model: Path) -> tuple[str, ...]:
    """Return the hookline plugins that TensorRT needs for a graph, even if the graph defines them as functions."""
    return (OPERATOR,) if any(node.op_type == OPERATOR for node in read_onnx(model).graph.node) else ()


def _timing(options: TrtOptions, target: BuildDevice, cache_dir: Path) -> TimingCache | None:
    if not (options.timing_cache and target.library.capabilities.timing_cache):
        return None
    return timing_cache(cache_dir, target.gpu.name, target.gpu.capability, target.library.version)


def _plan(job: BuildJob, spec: BuildSpec, contract: InputContract, target: BuildDevice) -> bytes:
    with job.reporter.progress(f"build {job.target.name}") as progress:
        progress_events = BuildProgress(partial(progress.advance, 0))
        if job.calibration is None:
            return build_plan(target.library, spec, progress_events)
        quantising = Quantising(
            library=target.library,
            feed=job.calibration,
            method=spec.options.method,
            contract=contract,
            profile=spec.profile,
            device=target.device,
            cache_dir=job.cache_dir,
            model=file_digest(job.model.path),
            done=lambda count: progress.advance(count, note="calibrating"),
        )
        try:
            return build_plan(target.library, replace(spec, weak=True, prepare=quantising.prepare), progress_events)
        finally:
            quantising.failure.reraise()  # the exception of a callback is the cause of a failed build


def _checked(engine: Engine, profile: SizeProfile | None, target: BuildDevice, job: BuildJob) -> Engine:
    """Open the engine, check the precision of its layers, and warm it up. Return it with the result of the check."""
    opened = opening.deserialise(engine, target.library, target.device)
    with target.device.here():
        text = inspect(opened, profile)
    found = check_precisions(read_layers(text), engine.precision)
    _write_layers(engine.path, text, found, job.reporter)
    with TrtSession(opened, engine, target.device, graphs=False) as session:
        warm_up(session, job.warmup)
    notes = (*engine.notes, found.warning) if found.warning else engine.notes
    return replace(engine, notes=notes, settings={**engine.settings, "layers": str(found)})


def _write_layers(path: Path, text: str, found: Precisions, reporter: BuildReporter) -> None:
    """Write TensorRT's description of the layers, for its tools, and the precisions that were read from it."""
    path.with_suffix(".layers.json").write_text(text, encoding="utf-8")
    path.with_suffix(".precision.json").write_text(json.dumps(found.content(), indent=1) + "\n", encoding="utf-8")
    reporter.note(f"build: {found}")
    if found.warning:
        reporter.warn(f"build: {found.warning}")


def _settings(job: BuildJob, options: TrtOptions) -> dict[str, str]:
    """Return the options that shape the engine; the calibration options only if TensorRT calibrated."""
    settings = {name: str(value) for name, value in encode(options).items() if name not in {"int8", "method"}}
    return settings | {"int8": f"calibrator {options.method.value}"} if job.calibration else settings
