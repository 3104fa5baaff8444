"""Runs as functions, with the plan and the store of the command line, and results as objects."""

from __future__ import annotations

import os
from collections.abc import Sequence

from core.artifacts import Artifact, Engine
from core.errors import HooklineError
from core.execution.run_result import RunResult
from hookline.opening import Weights
from hookline.options import arguments


def run(*overrides: str, quiet: bool = False) -> RunResult:
    """Run stages like ``python -m core.run <overrides>``.

    Args:
        overrides: Arguments of the command line, without flags: ``"+stage=build"``, ``"precision=int8"``. The run
            directory is ``outputs/<day>/<time>``; ``"hydra.run.dir=<folder>"`` sets another one.
        quiet: Print nothing. Otherwise print progress, warnings and results to standard error.

    Returns:
        The content of summary.json, and the artifact of each stage.

    Raises:
        HooklineError: The run failed. The message is the line that the command prints.
    """
    from core.execution.in_process import run_in_process  # Hydra: `from hookline import run` stays light

    return run_in_process(overrides, quiet=quiet)


def build(
    weights: Weights,
    *overrides: str,
    precision: str | None = None,
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
    data: str | os.PathLike[str] | None = None,
    backend: str | None = None,
    device: str | None = None,
    imgsz: int | Sequence[int] | None = None,
    calibrator: str | None = None,
    store: str | os.PathLike[str] | None = None,
    quiet: bool = False,
) -> Engine:
    """Build an engine; ``precision="int8"`` calibrates it first.

    Args:
        weights: As for :func:`hookline.open`.
        overrides: Further options as on the command line, e.g. ``"calibrate.pictures=500"``.
        precision: ``fp32``, ``fp16`` or ``int8``; None for that of the model, or else fp32.
        source: Images or video to calibrate on: a folder, glob, .txt list, video, or a list of files.
        data: A data.yaml; without ``source``, its training split is used for calibration.
        backend: Name of the runtime; None for the best one on this machine.
        device, imgsz, store: As for :func:`hookline.open`.
        calibrator: Name of the calibration method.
        quiet: Print nothing.

    Returns:
        The engine in the run directory, ``outputs/<day>/<time>/build/``. Open it with :func:`hookline.open`.

    Raises:
        HooklineError: The engine cannot be built with these options.
    """
    words: dict[str, object] = {"weights": weights.path if isinstance(weights, Artifact) else weights}
    words |= {"precision": precision, "calibrate.source": source, "data": data, "backend": backend, "device": device}
    words |= {"imgsz": imgsz, "calibrator": calibrator, "store": store}
    result = run("+stage=build", *arguments(words), *overrides, quiet=quiet)
    engine = result.artifacts.get("build")
    if not isinstance(engine, Engine):
        raise HooklineError("build returned no engine in this process", "use it in the process of rank 0 of torchrun")
    return engine
