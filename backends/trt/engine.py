"""Engines of TensorRT: build, look into, warm up; the facts that the sidecar states."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from backends.nvidia.nvml import Gpu
from backends.trt import opening
from backends.trt.building import BuildSpec, build_plan
from backends.trt.inspection import Precisions, inspect, judge, read_layers
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
FIRST = {Hardware.ampere_plus: "8.0", Hardware.same_compute_capability: "7.5"}
"""The first compute capability of a group of GPUs, by NVIDIA's ``HardwareCompatibilityLevel``."""


@dataclass(frozen=True)
class BuildDevice:
    """Where an engine is built.

    Attributes:
        library: TensorRT.
        gpu: The GPU, by NVML.
        device: The same for CUDA.
    """

    library: Library
    gpu: Gpu
    device: EngineDevice


def build_engine(job: BuildJob, options: TrtOptions, place: BuildDevice) -> Engine:
    """Build the plan, look into it, and run it.

    Args:
        job: What is to be built; with ``calibration`` TensorRT quantises by itself.
        options: Of the runtime.
        place: Where.

    Raises:
        HooklineError: The model, the sizes or the options cannot be built here, or the engine is not what was asked.
    """
    library, model = place.library, job.model
    if job.calibration is not None:
        check_calibrators(library)
    check_hardware(options.hardware, place.gpu)
    if options.dla is not None and model.precision is Precision.fp32 and job.calibration is None:
        raise HooklineError("a DLA core computes in float16 and int8 only", "set precision=fp16 or int8")
    profile, contract = read_profile(model, job.batch, job.imgsz)
    plugins = plugins_in(model.path)
    carried = options.plugin is PluginForm.ahead_of_time
    register = opening.register_ahead_of_time if carried else opening.register
    recipe = BuildSpec(
        model=model.path,
        profile=profile,
        options=options,
        register=partial(register, library) if plugins else None,
        timing=_timing(options, place, job.cache_dir),
        here=place.device.here,
    )
    job.target.write_bytes(_plan(job, recipe, contract, place))
    engine = Engine(
        path=job.target,
        notes=model.notes,
        facts=model.facts,
        contract=contract,
        layout=model.layout,
        precision=job.precision,
        runtime=RUNTIME,
        score_threshold=model.score_threshold,
        machine={
            **machine_facts(library, place.gpu, () if carried else plugins),
            "profile": str(profile or ""),
            "model": file_digest(model.path),
        },
        settings=_settings(job, options),
    )
    return _tried(engine, profile, place, job)


def check_hardware(hardware: Hardware, gpu: Gpu) -> None:
    """Refuse engines for a group of GPUs that this one is not of, before they are built.

    Raises:
        HooklineError: Says from which compute capability on the group begins.
    """
    least = FIRST.get(hardware)
    if least and gpu.capability and numbers(gpu.capability) < numbers(least):
        raise HooklineError(
            f"runtimes.tensorrt.hardware={hardware.value} begins at compute capability {least}, the {gpu.name} here has"
            f" {gpu.capability}",
            "leave it out, or build on a newer GPU",
        )


def plugins_in(model: Path) -> tuple[str, ...]:
    """Plugins of this project that a graph needs in TensorRT, though it may carry a function for others."""
    return (OPERATOR,) if any(node.op_type == OPERATOR for node in read_onnx(model).graph.node) else ()


def _timing(options: TrtOptions, place: BuildDevice, cache_dir: Path) -> TimingCache | None:
    if not (options.timing_cache and place.library.capabilities.timing_cache):
        return None
    return timing_cache(cache_dir, place.gpu.name, place.gpu.capability, place.library.version)


def _plan(job: BuildJob, recipe: BuildSpec, contract: InputContract, place: BuildDevice) -> bytes:
    with job.reporter.progress(f"build {job.target.name}") as progress:
        course = BuildProgress(partial(progress.advance, 0))
        if job.calibration is None:
            return build_plan(place.library, recipe, course)
        quantising = Quantising(
            library=place.library,
            feed=job.calibration,
            method=recipe.options.method,
            contract=contract,
            profile=recipe.profile,
            device=place.device,
            cache_dir=job.cache_dir,
            model=file_digest(job.model.path),
            done=lambda count: progress.advance(count, note="calibrating"),
        )
        try:
            return build_plan(place.library, replace(recipe, weak=True, prepare=quantising.prepare), course)
        finally:
            quantising.failure.reraise()  # what failed in a callback is the cause of what failed after it


def _tried(engine: Engine, profile: SizeProfile | None, place: BuildDevice, job: BuildJob) -> Engine:
    """The engine with what its layers and its first runs tell."""
    opened = opening.deserialise(engine, place.library, place.device)
    with place.device.here():
        text = inspect(opened, profile)
    found = judge(read_layers(text), engine.precision)
    _write_layers(engine.path, text, found, job.reporter)
    with TrtSession(opened, engine, place.device, graphs=False) as session:
        warm_up(session, job.warmup)
    notes = (*engine.notes, found.doubt) if found.doubt else engine.notes
    return replace(engine, notes=notes, settings={**engine.settings, "layers": str(found)})


def _write_layers(path: Path, text: str, found: Precisions, reporter: BuildReporter) -> None:
    """TensorRT's own description, which its tools read, and what was read from it."""
    path.with_suffix(".layers.json").write_text(text, encoding="utf-8")
    path.with_suffix(".precision.json").write_text(json.dumps(found.content(), indent=1) + "\n", encoding="utf-8")
    reporter.note(f"build: {found}")
    if found.doubt:
        reporter.warn(f"build: {found.doubt}")


def _settings(job: BuildJob, options: TrtOptions) -> dict[str, str]:
    """Return the options that shaped the engine; those of the calibrator where TensorRT calibrated."""
    settings = {name: str(value) for name, value in encode(options).items() if name not in {"int8", "method"}}
    return settings | {"int8": f"calibrator {options.method.value}"} if job.calibration else settings
