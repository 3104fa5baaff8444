"""Runs as functions: the same plan and the same store as the command line, results as objects."""

from __future__ import annotations

import os
from collections.abc import Sequence

from core.artifacts import Artifact, Engine
from core.errors import HooklineError
from core.execution.in_process import RunResult, run_in_process
from hookline.model import Weights
from hookline.options import arguments


def run(*overrides: str, quiet: bool = False) -> RunResult:
    """Run stages, as ``python -m core.run <overrides>`` does.

    Args:
        overrides: Arguments of the command line, without flags: ``"+stage=build"``, ``"precision=int8"``. The run's
            directory is ``outputs/<day>/<time>`` unless ``"hydra.run.dir=<folder>"`` names another.
        quiet: Print nothing. Otherwise progress, warnings and results go to standard error.

    Returns:
        The content of summary.json, and the artifact of each stage.

    Raises:
        HooklineError: The run could not do what was asked. The message is the line that the command prints.
    """
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
        overrides: More options as on the command line, e.g. ``"calibrate.pictures=500"``.
        precision: ``fp32``, ``fp16`` or ``int8``; None: that of the model, else fp32.
        source: Images or video to calibrate on: folder, glob, .txt list, or a list of files.
        data: A data.yaml, whose training split is used where ``source`` is None.
        backend: The runtime of the engine; None: the best one that can be used here.
        device, imgsz, store: As for :func:`hookline.open`.
        calibrator: How ranges are found.
        quiet: Print nothing.

    Returns:
        The engine in the run's directory, ``outputs/<day>/<time>/build/``; :func:`hookline.open` takes it.

    Raises:
        HooklineError: The engine cannot be built as asked.
    """
    words: dict[str, object] = {"weights": weights.path if isinstance(weights, Artifact) else weights}
    words |= {"precision": precision, "calibrate.source": source, "data": data, "backend": backend, "device": device}
    words |= {"imgsz": imgsz, "calibrator": calibrator, "store": store}
    result = run_in_process(["+stage=build", *arguments(words), *overrides], quiet=quiet)
    engine = result.artifacts.get("build")
    if not isinstance(engine, Engine):
        raise HooklineError("build gave no engine in this process", "only the first process of torchrun has it")
    return engine
