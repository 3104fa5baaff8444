"""The implementation of the runtime ``chip``: its engines are ONNX files, which the package onnxruntime simulates."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from hookline import BuildJob, Engine, HooklineError, OnnxModel, check_engine_file
from hookline_chip.plugin import ChipOptions


class ChipSession:
    """An opened engine."""

    def __init__(self, engine: Engine, options: ChipOptions) -> None:
        self.facts, self.contract, self.layout = engine.facts, engine.contract, engine.layout
        self.score_threshold = engine.score_threshold
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = options.threads
        settings.add_session_config_entry("session.disable_quant_qdq", "1")
        self._session = onnxruntime.InferenceSession(str(engine.path), settings, providers=["CPUExecutionProvider"])

    def run(self, images: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Infer one batch."""
        names = [output.name for output in self._session.get_outputs()]
        return dict(zip(names, self._session.run(names, {self.contract.name: images}), strict=True))

    def __enter__(self) -> ChipSession:
        return self

    def __exit__(self, *error: object) -> None:
        del self._session


class Chip:
    """Builds and opens engines."""

    def __init__(self, options: ChipOptions) -> None:
        self.options = options

    def machine(self, device: str = "auto") -> Mapping[str, str]:
        """Return the release of the simulator."""
        return {"chip": onnxruntime.__version__}

    def build(self, job: BuildJob) -> Engine:
        """Copy the model and run it."""
        if job.calibration is not None or job.batch is not None or job.imgsz is not None:
            raise AssertionError("the descriptor states none of these")
        model = job.model
        shutil.copyfile(model.path, job.target)
        engine = job.engine("chip", dict(self.machine(job.device)))
        shape = (model.contract.batch, 3, model.contract.height, model.contract.width)
        with job.reporter.progress("warm up", job.warmup, "runs") as progress, ChipSession(engine, self.options) as run:
            for _ in range(job.warmup):
                run.run(np.zeros(shape, np.float32))
                progress.advance()
        job.reporter.note(f"chip: {job.target.stat().st_size:,} bytes")
        return engine

    def open(self, model: OnnxModel | Engine, *, device: str) -> ChipSession:
        """Open an engine."""
        engine = check_engine_file(model, "chip")
        if engine.machine != self.machine(device):
            raise HooklineError("the engine was built by another release", "build it again")
        return ChipSession(engine, self.options)
