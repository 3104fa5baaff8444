"""Engines of ONNX Runtime: the optimised graph as a file, and the checks before one is opened."""

from __future__ import annotations

import platform

from backends.ort.canonical import make_canonical
from backends.ort.loading import Level, load_session, session_options
from backends.ort.machine import check_machine, this_machine
from backends.ort.options import Optimisation, OrtOptions
from backends.ort.session import OrtSession
from core.artifacts import Engine
from core.errors import HooklineError
from core.inference.detector import warm_up
from core.kinds.building import BuildJob
from core.storage.serial import encode
from core.storage.sidecar import check_engine_file

RUNTIME = "onnxruntime"
WRITTEN = {
    Optimisation.all: Level.ORT_ENABLE_ALL,
    Optimisation.extended: Level.ORT_ENABLE_EXTENDED,
    Optimisation.none: Level.ORT_DISABLE_ALL,
}
"""How far the graph of an engine is rewritten when it is built ..."""
OPENED = {
    Optimisation.all: Level.ORT_DISABLE_ALL,
    Optimisation.extended: Level.ORT_ENABLE_ALL,
    Optimisation.none: Level.ORT_DISABLE_ALL,
}
"""... and what is left to do each time it is opened."""


def build_engine(job: BuildJob, options: OrtOptions) -> Engine:
    """Write the graph of a model as ONNX Runtime optimised it, and run it.

    Raises:
        HooklineError: The model is damaged, or needs an operator that ONNX Runtime does not have.
    """
    model, target = job.model, job.target
    if model.operators:
        raise HooklineError(
            f"'{model.path.name}' needs the operator {', '.join(model.operators)}, which ONNX Runtime does not have",
            "graft with grafts.yolo_layer.namespace=hookline, or with decode=onnx",
        )
    settings = session_options(options, WRITTEN[options.optimisation])
    settings.optimized_model_filepath = str(target)
    load_session(model.path, settings, f"'{model.path}'")
    make_canonical(target)
    engine = Engine(
        path=target,
        notes=model.notes,
        facts=model.facts,
        contract=model.contract,
        layout=model.layout,
        precision=model.precision,
        runtime=RUNTIME,
        score_threshold=model.score_threshold,
        settings={name: str(value) for name, value in encode(options).items()},
        machine={**this_machine(), "optimisation": options.optimisation.value, "system": platform.platform(terse=True)},
    )
    with open_engine(engine, options) as session:
        warm_up(session, job.warmup)
    return engine


def open_engine(engine: Engine, options: OrtOptions) -> OrtSession:
    """Open an engine; its graph was optimised when it was built."""
    settings = session_options(options, OPENED[Optimisation(engine.machine.get("optimisation", "all"))])
    return OrtSession(load_session(engine.path, settings, f"engine '{engine.path}'"), engine)


def check_engine(engine: Engine) -> None:
    """Refuse an engine of another runtime or another machine, or one that is not the file it was.

    Raises:
        HooklineError: Says which, and how to rebuild it.
    """
    check_engine_file(engine, RUNTIME)
    check_machine(engine, this_machine())
