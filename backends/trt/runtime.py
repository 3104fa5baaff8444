"""The heavy half of the runtime ``tensorrt``."""

from __future__ import annotations

from collections.abc import Mapping

from backends.trt.options import TrtOptions
from core.artifacts import Engine, OnnxModel
from core.kinds.building import BuildJob
from core.kinds.session import Session
from core.storage.sidecar import check_engine_file

RUNTIME = "tensorrt"


class TensorRt:
    """Builds for and runs on NVIDIA GPUs."""

    def __init__(self, options: TrtOptions) -> None:
        self.options = options

    def machine(self, device: str = "auto") -> Mapping[str, str]:
        """Release, driver and kind of GPU; no CUDA context is opened for it."""
        from backends.nvidia.gpu import choose
        from backends.trt.library import load
        from backends.trt.machine import this_machine

        return this_machine(load(), choose(device))

    def build(self, job: BuildJob) -> Engine:
        """Build an engine for the GPU of the job's device, look into it, and warm it up."""
        from backends.nvidia.gpu import choose
        from backends.trt.engine import BuildDevice, build_engine
        from backends.trt.library import load
        from backends.trt.opening import open_on

        library, gpu = load(), choose(job.device)
        return build_engine(job, self.options, BuildDevice(library, gpu, open_on(gpu)))

    def open(self, model: OnnxModel | Engine, *, device: str) -> Session:
        """Open an engine.

        Raises:
            HooklineError: It is no engine of TensorRT, does not fit this machine, or was changed after it was built.
        """
        from backends.trt.library import load
        from backends.trt.machine import fitting_gpu
        from backends.trt.opening import open_on, open_session

        engine, library = check_engine_file(model, RUNTIME), load()
        gpu = fitting_gpu(engine, library, device)
        return open_session(engine, library, open_on(gpu), graphs=self.options.graphs)
