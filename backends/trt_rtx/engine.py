"""Engines of TensorRT-RTX: a plan file and the facts that its sidecar states."""

from __future__ import annotations

import platform

from backends.trt.library import load
from backends.trt.profiles import read_profile
from backends.trt_rtx.job import Job
from backends.trt_rtx.opening import CARDS, RUNTIME, this_release, try_out
from backends.trt_rtx.options import TrtRtxOptions
from backends.trt_rtx.process import run_worker
from backends.trt_rtx.targets import read_targets
from core.artifacts import Engine
from core.building import BuildJob
from core.errors import HooklineError
from core.serial import encode


def build_engine(job: BuildJob, options: TrtRtxOptions) -> Engine:
    """Build the plan in a process of its own.

    Raises:
        HooklineError: The model needs a plugin, TensorRT-RTX does not take it, or its library crashed.
    """
    model, target = job.model, job.target
    if model.operators:
        raise HooklineError(
            f"'{model.path.name}' needs the plugin {', '.join(model.operators)}, and TensorRT-RTX takes none",
            "graft with grafts.yolo_layer.namespace=hookline, or with decode=onnx",
        )
    cards = read_targets(options.compute_capabilities, load(RUNTIME).trt, job.device)
    profile, contract = read_profile(model, job.batch, job.imgsz)
    work = Job(model.path, target, cards, profile)
    with job.reporter.progress(f"build {target.name}") as progress:
        run_worker(encode(work), f"'{model.path.name}'", lambda message: progress.advance(note=message["phase"]))
    engine = Engine(
        path=target,
        notes=model.notes,
        facts=model.facts,
        contract=contract,
        layout=model.layout,
        precision=model.precision,
        runtime=RUNTIME,
        score_threshold=model.score_threshold,
        machine={
            **this_release(),
            CARDS: ",".join(cards),
            "profile": str(profile or ""),
            "system": platform.platform(terse=True),
        },
    )
    try_out(engine, job)
    return engine
