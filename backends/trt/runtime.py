"""The runtime ``tensorrt``: build and open engines."""

from __future__ import annotations

from collections.abc import Mapping

from backends.nvidia import gpu as nvidia_gpu
from backends.trt import library
from backends.trt.machine import fitting_gpu, this_machine
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
        return this_machine(library.load(), nvidia_gpu.choose(device))

    def build(self, job: BuildJob) -> Engine:
        """Build an engine for the GPU of ``job.device``, check the precision of its layers, and warm it up."""
        from backends.trt.engine import BuildDevice, build_engine
        from backends.trt.opening import open_on

        release, gpu = library.load(), nvidia_gpu.choose(job.device)
        return build_engine(job, self.options, BuildDevice(release, gpu, open_on(gpu)))

    def open(self, model: OnnxModel | Engine, *, device: str) -> Session:
        """Open an engine.

        Raises:
            HooklineError: The model is not a TensorRT engine, does not fit this machine, or changed after the build.
        """
        from backends.trt.opening import open_on, open_session

        engine, release = check_engine_file(model, RUNTIME), library.load()
        gpu = fitting_gpu(engine, release, device)
        return open_session(engine, release, open_on(gpu), graphs=self.options.graphs)
