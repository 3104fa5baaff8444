"""Engines of TensorRT: build, look into, warm up; the facts that the sidecar states."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from backends.nvidia.devices import Gpu
from backends.trt import opening
from backends.trt.building import Recipe, build_plan
from backends.trt.inspection import Precisions, inspect, judge, read_layers
from backends.trt.library import Library
from backends.trt.machine import machine_facts, numbers
from backends.trt.memory import EngineDevice
from backends.trt.monitor import Course
from backends.trt.options import Hardware, PluginForm, TrtOptions
from backends.trt.profiles import Profile, read_profile
from backends.trt.quantising import Quantising, check_calibrators
from backends.trt.session import TrtSession
from backends.trt.timing_cache import TimingCache, timing_cache
from core.artifacts import Engine, GraftedModel, InputContract, Precision
from core.calibration_pictures import CalibrationFeed
from core.context import RunContext
from core.digest import file_digest
from core.errors import HooklineError
from core.onnx_file import read_onnx
from core.serial import encode
from core.warming import warm_up
from cuda_plugins.signature import OPERATOR

RUNTIME = "tensorrt"
FIRST = {Hardware.ampere_plus: "8.0", Hardware.same_compute_capability: "7.5"}
"""The first compute capability of a group of GPUs, by NVIDIA's ``HardwareCompatibilityLevel``."""


@dataclass(frozen=True)
class Place:
    """Where an engine is built.

    Attributes:
        library: TensorRT.
        gpu: The GPU, by NVML.
        device: The same for CUDA.
    """

    library: Library
    gpu: Gpu
    device: EngineDevice


@dataclass(frozen=True)
class Order:
    """What is to be built.

    Attributes:
        model: The grafted model.
        target: The plan file to write.
        batch, imgsz: As ``build.batch`` and ``build.imgsz``.
        warmup: How often the engine is run.
        options: Of the runtime.
        calibration: Pictures, where TensorRT is to quantise by itself.
    """

    model: GraftedModel
    target: Path
    batch: Any = None
    imgsz: Any = None
    warmup: int = 0
    options: TrtOptions = field(default_factory=TrtOptions)
    calibration: CalibrationFeed | None = None


def build_engine(order: Order, place: Place, context: RunContext) -> Engine:
    """Build the plan, look into it, and run it.

    Raises:
        HooklineError: The model, the sizes or the options cannot be built here, or the engine is not what was asked.
    """
    library, model = place.library, order.model
    if order.calibration is not None:
        check_calibrators(library)
    check_hardware(order.options.hardware, place.gpu)
    if order.options.dla is not None and model.precision is Precision.fp32 and order.calibration is None:
        raise HooklineError("a DLA core computes in float16 and int8 only", "set precision=fp16 or int8")
    profile, contract = read_profile(model, order.batch, order.imgsz)
    plugins = plugins_in(model.path)
    carried = order.options.plugin is PluginForm.ahead_of_time
    register = opening.register_ahead_of_time if carried else opening.register
    recipe = Recipe(
        model=model.path,
        profile=profile,
        options=order.options,
        register=(lambda _: register(library)) if plugins else None,
        timing=_timing(order.options, place, context),
        here=place.device.here,
    )
    order.target.write_bytes(_plan(order, recipe, contract, place, context))
    engine = Engine(
        path=order.target,
        notes=model.notes,
        facts=model.facts,
        contract=contract,
        layout=model.layout,
        precision=Precision.int8 if order.calibration else model.precision,
        runtime=RUNTIME,
        score_threshold=model.score_threshold,
        machine={
            **machine_facts(library, place.gpu, () if carried else plugins),
            "profile": str(profile or ""),
            "model": file_digest(model.path),
        },
        settings=_settings(order),
    )
    return _tried(engine, profile, order.warmup, place, context)


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


def _timing(options: TrtOptions, place: Place, context: RunContext) -> TimingCache | None:
    if not (options.timing_cache and place.library.capabilities.timing_cache):
        return None
    return timing_cache(context.cache_dir, place.gpu.name, place.gpu.capability, place.library.version)


def _plan(order: Order, recipe: Recipe, contract: InputContract, place: Place, context: RunContext) -> bytes:
    with context.progress(f"build {order.target.name}") as progress:
        course = Course(progress)
        if order.calibration is None:
            return build_plan(place.library, recipe, course)
        quantising = Quantising(
            library=place.library,
            feed=order.calibration,
            contract=contract,
            profile=recipe.profile,
            device=place.device,
            cache_dir=context.cache_dir,
            model=file_digest(order.model.path),
            done=lambda count: progress.advance(count, note="calibrating"),
        )
        try:
            return build_plan(place.library, replace(recipe, weak=True, prepare=(quantising.prepare,)), course)
        finally:
            quantising.failure.reraise()  # what failed in a callback is the cause of what failed after it


def _tried(engine: Engine, profile: Profile | None, warmup: int, place: Place, context: RunContext) -> Engine:
    """The engine with what its layers and its first runs tell."""
    opened = opening.deserialise(engine, place.library, place.device)
    with place.device.here():
        text = inspect(opened, profile)
    found = judge(read_layers(text), engine.precision)
    _write_layers(engine.path, text, found, context)
    with TrtSession(opened, engine, place.device, graphs=False) as session:
        warm_up(session, warmup)
    notes = (*engine.notes, found.doubt) if found.doubt else engine.notes
    return replace(engine, notes=notes, settings={**engine.settings, "layers": str(found)})


def _write_layers(path: Path, text: str, found: Precisions, context: RunContext) -> None:
    """TensorRT's own description, which its tools read, and what was read from it."""
    path.with_suffix(".layers.json").write_text(text, encoding="utf-8")
    path.with_suffix(".precision.json").write_text(json.dumps(found.content(), indent=1) + "\n", encoding="utf-8")
    context.note(f"build: {found}")
    if found.doubt:
        context.warn(f"build: {found.doubt}")


def _settings(order: Order) -> dict[str, str]:
    settings = {name: str(value) for name, value in encode(order.options).items()}
    return settings | {"int8": f"calibrator {order.calibration.method}"} if order.calibration else settings
