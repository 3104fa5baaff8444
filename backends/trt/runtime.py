"""The runtime ``tensorrt``: build and open engines."""

from __future__ import annotations

from collections.abc import Mapping

from backends.trt.options import TrtOptions
from core.artifacts import Engine, OnnxModel
from core.kinds.building import BuildJob
from core.kinds.session import Session
from core.storage.sidecar import check_engine_file

RUNTIME = "tensorrt"


class TensorRt:
    """Builds and opens engines on NVIDIA GPUs."""

    def __init__(self, options: TrtOptions) -> None:
        self.options = options

    def machine(self, device: str = "auto") -> Mapping[str, str]:
        """Return the TensorRT release, the platform and the GPU model. Opens no CUDA context."""
        from backends.nvidia.gpu import choose
        from backends.trt.library import load
        from backends.trt.machine import this_machine

        return this_machine(load(), choose(device))

    def build(self, job: BuildJob) -> Engine:
        """Build an engine for the GPU of ``job.device``, check the precision of its layers, and warm it up."""
        from backends.nvidia.gpu import choose
        from backends.trt.engine import BuildDevice, build_engine
        from backends.trt.library import load
        from backends.trt.opening import open_on

        library, gpu = load(), choose(job.device)
        return build_engine(job, self.options, BuildDevice(library, gpu, open_on(gpu)))

    def open(self, model: OnnxModel | Engine, *, device: str) -> Session:
        """Open an engine.

        Raises:
            HooklineError: The model is not a TensorRT engine, does not fit this machine, or changed after the build.
        """
        from backends.trt.library import load
        from backends.trt.machine import fitting_gpu
        from backends.trt.opening import open_on, open_session

        engine, library = check_engine_file(model, RUNTIME), load()
        gpu = fitting_gpu(engine, library, device)
        return open_session(engine, library, open_on(gpu), graphs=self.options.graphs)
