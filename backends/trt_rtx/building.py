"""From an ONNX file to a plan with the module ``tensorrt_rtx``; runs in the worker."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backends.trt_rtx.callbacks import Report, make_logger, make_monitor
from backends.trt_rtx.targets import set_targets
from core.errors import HooklineError

NO_DRIVER = "cudaError 35"


def build_plan(job: Mapping[str, Any], report: Report) -> bytes:
    """The plan for ``job``.

    Args:
        job: ``model``, a path; ``compute_capabilities``; ``input``, a tensor's name, and ``profile``, its least,
            usual and greatest size, or null.
        report: Gets the phases.

    Raises:
        HooklineError: TensorRT-RTX does not take the model, the sizes or the cards.
    """
    import tensorrt_rtx as trt

    model = Path(job["model"])
    log = make_logger(trt)
    builder = trt.Builder(log)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    _parse(trt.OnnxParser(network, log), model)
    if not network.num_outputs:
        raise HooklineError(f"TensorRT-RTX cannot read '{model.name}': it holds no network", "make the file again")
    config = builder.create_builder_config()
    config.progress_monitor = make_monitor(trt, report)
    set_targets(trt, config, job["compute_capabilities"])
    if job["profile"]:
        _set_profile(builder, config, log, job)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise _not_built(model, log)
    return bytes(plan)


def _parse(parser: Any, model: Path) -> None:
    if parser.parse(model.read_bytes()):
        return
    error = parser.get_error(0)
    where = f"node '{error.node_name()}' ({error.node_operator()}): " if error.node_operator() else ""
    raise HooklineError(
        f"TensorRT-RTX cannot read '{model.name}': {where}{error.desc()}",
        "it takes standard operators and no plugins; make the file again with +stage=graft backend=tensorrt_rtx",
    )


def _set_profile(builder: Any, config: Any, log: Any, job: Mapping[str, Any]) -> None:
    profile = builder.create_optimization_profile()
    profile.set_shape(job["input"], *map(tuple, job["profile"]))
    if config.add_optimization_profile(profile) < 0:
        least, usual, greatest = job["profile"]
        raise HooklineError(
            f"TensorRT-RTX refuses the sizes {least} to {greatest}, usually {usual}: {_reason(log)}",
            "each must be at least the one before: min <= opt <= max",
        )


def _not_built(model: Path, log: Any) -> HooklineError:
    reason = _reason(log)
    if NO_DRIVER in reason:
        return HooklineError(
            "build.compute_capabilities=[current] needs an NVIDIA driver, and none answers here",
            "name the cards instead, e.g. [sm86,sm89,sm120]",
        )
    return HooklineError(f"TensorRT-RTX cannot build '{model.name}': {reason}", "export it again, or use another size")


def _reason(log: Any) -> str:
    """The first error is the cause, what follows are consequences."""
    return str(next(iter(log.errors), "it does not say why"))
