"""ONNX Runtime engines: write the optimised graph as a file, and check it before opening."""

from __future__ import annotations

import platform
from collections import defaultdict
from pathlib import Path

import onnx

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
BUILD_LEVELS = {
    Optimisation.all: Level.ORT_ENABLE_ALL,
    Optimisation.extended: Level.ORT_ENABLE_EXTENDED,
    Optimisation.none: Level.ORT_DISABLE_ALL,
}
"""Graph optimisation when an engine is built."""
OPEN_LEVELS = {
    Optimisation.all: Level.ORT_DISABLE_ALL,
    Optimisation.extended: Level.ORT_ENABLE_ALL,
    Optimisation.none: Level.ORT_DISABLE_ALL,
}
"""Graph optimisation when an engine is opened: what the build did not do."""


def build_engine(job: BuildJob, options: OrtOptions) -> Engine:
    """Write the optimised graph of a model, and warm it up.

    Raises:
        HooklineError: The model is damaged, or needs an operator that ONNX Runtime does not have.
    """
    model, target = job.model, job.target
    if model.operators:
        raise HooklineError(
            f"'{model.path.name}' needs the operator {', '.join(model.operators)}, which ONNX Runtime does not have",
            "graft with grafts.yolo_layer.namespace=hookline or decode=onnx",
        )
    settings = session_options(options, BUILD_LEVELS[options.optimisation])
    settings.optimized_model_filepath = str(target)
    load_session(model.path, settings, f"'{model.path}'")
    make_canonical(target)
    machine = {**this_machine(), "optimisation": options.optimisation.value, "system": platform.platform(terse=True)}
    engine = job.engine(RUNTIME, machine, settings={name: str(value) for name, value in encode(options).items()})
    with open_engine(engine, options) as session:
        warm_up(session, job.warmup)
    return engine


def open_engine(engine: Engine, options: OrtOptions) -> OrtSession:
    """Open an engine; its graph was optimised by the build."""
    settings = session_options(options, OPEN_LEVELS[Optimisation(engine.machine.get("optimisation", "all"))])
    return OrtSession(load_session(engine.path, settings, f"engine '{engine.path}'"), engine)


def check_engine(engine: Engine) -> None:
    """Refuse an engine of another runtime or machine, or whose file has changed.

    Raises:
        HooklineError: Names the problem and the rebuild command.
    """
    check_engine_file(engine, RUNTIME)
    check_machine(engine, this_machine())


REORDER = "ReorderOutput"
"""Operator that converts a blocked layout to NCHW. ONNX Runtime adds its nodes in varying order with varying names."""


def make_canonical(path: Path) -> None:
    """Rewrite an optimised graph so that equal models give equal bytes.

    Each reordering node is placed after the node of its input and named after its output. All other nodes keep their
    order.
    """
    model = onnx.load(path)
    reorders: dict[str, list[onnx.NodeProto]] = defaultdict(list)
    for node in model.graph.node:
        if node.op_type == REORDER:
            node.name = f"{REORDER} {node.output[0]}"
            reorders[node.input[0]].append(node)
    if not reorders:
        return
    ordered = []
    for node in model.graph.node:
        if node.op_type == REORDER:
            continue
        ordered.append(node)
        for name in node.output:
            ordered += sorted(reorders[name], key=lambda item: str(item.output[0]))
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in ordered]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    path.write_bytes(model.SerializeToString(deterministic=True))
