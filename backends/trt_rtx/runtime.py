"""The implementation of the runtime ``tensorrt_rtx``."""

from __future__ import annotations

from collections.abc import Mapping

from backends.trt_rtx.engine import build_engine
from backends.trt_rtx.opening import open_engine, this_release
from backends.trt_rtx.options import TrtRtxOptions
from backends.trt_rtx.targets import card_here
from core.artifacts import Engine, OnnxModel
from core.kinds.building import BuildJob
from core.kinds.session import Session


class TensorRtRtx:
    """Builds for RTX cards on any machine, and opens engines on the cards."""

    def __init__(self, options: TrtRtxOptions) -> None:
        self.options = options

    def machine(self, device: str = "auto") -> Mapping[str, str]:
        """The release, which an engine is for alone, and the card here, for engines that are for ``[current]``."""
        return {**this_release(), "card": card_here(device)}

    def build(self, job: BuildJob) -> Engine:
        """Build the engine ahead of time for the cards of ``runtimes.tensorrt_rtx.compute_capabilities``."""
        return build_engine(job, self.options)

    def open(self, model: OnnxModel | Engine, *, device: str) -> Session:
        """Open an engine on this machine's GPU, where it is compiled for the card.

        Raises:
            HooklineError: It is no engine of this release, or there is no GPU.
        """
        return open_engine(model, device)
