"""Engines of TensorRT-RTX: a plan file and the facts that its sidecar states."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

from backends.trt.library import load
from backends.trt.profiles import read_profile
from backends.trt_rtx.job import Job
from backends.trt_rtx.process import run_worker
from backends.trt_rtx.targets import read_targets
from core.artifacts import Engine, GraftedModel, OnnxModel
from core.context import RunContext
from core.digest import file_digest
from core.errors import HooklineError
from core.serial import encode

RUNTIME = "tensorrt_rtx"


def this_release() -> dict[str, str]:
    """Of the library: an engine is for the release that built it and for no other."""
    return {RUNTIME: load(RUNTIME).version}


def build_engine(model: GraftedModel, config: Any, target: Path, context: RunContext) -> Engine:
    """Build the plan in a process of its own.

    Raises:
        HooklineError: The model needs a plugin, TensorRT-RTX does not take it, or its library crashed.
    """
    if model.operators:
        raise HooklineError(
            f"'{model.path.name}' needs the plugin {', '.join(model.operators)}, and TensorRT-RTX takes none",
            "graft with graft.namespace=hookline, or with graft=onnx",
        )
    cards = read_targets(config.compute_capabilities, load(RUNTIME).trt, context.device)
    profile, contract = read_profile(model, config.batch, config.imgsz)
    job = Job(model.path, target, cards, profile)
    with context.progress(f"build {target.name}") as progress:
        run_worker(encode(job), f"'{model.path.name}'", lambda message: progress.advance(note=message["phase"]))
    return Engine(
        path=target,
        notes=model.notes,
        facts=model.facts,
        contract=contract,
        layout=model.layout,
        precision=model.precision,
        runtime=RUNTIME,
        score_threshold=model.score_threshold,
        machine={**this_release(), "system": platform.platform(terse=True)},
        settings={"compute_capabilities": ",".join(cards), "profile": str(profile or "")},
    )


def check_engine(model: OnnxModel | Engine) -> None:
    """Refuse what is no engine of this release, or not the file that was built.

    Raises:
        HooklineError: Says which, and what to do.
    """
    if not isinstance(model, Engine):
        raise HooklineError(f"tensorrt_rtx opens engines only, not '{model.path.name}'", "build one with +stage=build")
    if model.runtime != RUNTIME:
        raise HooklineError(f"'{model.path.name}' is an engine of '{model.runtime}'", f"set backend={model.runtime}")
    if not model.path.is_file():
        raise HooklineError(f"engine '{model.path}' does not exist", "build it with +stage=build")
    if model.sha256 and file_digest(model.path) != model.sha256:
        raise HooklineError(
            f"engine '{model.path}' is not the file that was built: its sha256 differs from the sidecar's",
            "build it again with +stage=build reuse=false",
        )
    here, there = this_release()["tensorrt_rtx"], model.machine.get("tensorrt_rtx", "none")
    if here != there:
        raise HooklineError(
            f"engine '{model.path.name}' was built by TensorRT-RTX {there}, here is {here}, which cannot open it",
            f"build it again with +stage=build backend=tensorrt_rtx precision={model.precision.value}",
        )
