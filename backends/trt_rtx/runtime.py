"""The runtime ``tensorrt_rtx``: build and open engines."""

from __future__ import annotations

import platform
from collections.abc import Mapping

from backends.trt.library import load
from backends.trt.settings import read_profile
from backends.trt_rtx.opening import CARDS, RUNTIME, open_engine, this_release, warm_up_here
from backends.trt_rtx.options import CARD, TrtRtxOptions, only_current
from backends.trt_rtx.process import Job, run_worker
from backends.trt_rtx.targets import card_here, read_targets
from core.artifacts import Engine, OnnxModel
from core.errors import HooklineError
from core.kinds.building import BuildJob
from core.kinds.session import Session
from core.storage.serial import encode


class TensorRtRtx:
    """Builds engines for RTX cards on any machine, and opens them on the cards."""

    def __init__(self, options: TrtRtxOptions) -> None:
        self.options = options

    def machine(self, device: str = "auto") -> Mapping[str, str]:
        """Return the release, the only one that opens its engines, and the card here, for engines of ``[current]``."""
        return {**this_release(), CARD: card_here(device)}

    def build(self, job: BuildJob) -> Engine:
        """Build an engine for the cards of ``runtimes.tensorrt_rtx.compute_capabilities``."""
        return build_engine(job, self.options)

    def open(self, model: OnnxModel | Engine, *, device: str) -> Session:
        """Open an engine on a GPU of this machine, which compiles its kernels.

        Raises:
            HooklineError: The model is not an engine of this release, or there is no GPU.
        """
        return open_engine(model, device)


def build_engine(job: BuildJob, options: TrtRtxOptions) -> Engine:
    """Build the plan in a worker process.

    Raises:
        HooklineError: The model needs a plugin, TensorRT-RTX does not support it, or its library crashed.
    """
    model, target = job.model, job.target
    if model.operators:
        raise HooklineError(
            f"'{model.path.name}' needs the plugin {', '.join(model.operators)}, but TensorRT-RTX has no plugins",
            "graft with grafts.yolo_layer.namespace=hookline or decode=onnx",
        )
    cards = read_targets(options.compute_capabilities, load(RUNTIME).trt, job.device)
    profile, contract = read_profile(model, job.batch, job.imgsz)
    work = Job(model.path, target, cards, profile)
    with job.reporter.progress(f"build {target.name}") as progress:
        run_worker(encode(work), f"'{model.path.name}'", lambda message: progress.advance(note=message["phase"]))
    machine = {
        **this_release(),
        **({CARD: cards[0]} if only_current(options.compute_capabilities) else {}),
        CARDS: ",".join(cards),
        "profile": str(profile or ""),
        "system": platform.platform(terse=True),
    }
    engine = job.engine(RUNTIME, machine, contract=contract)
    warm_up_here(engine, job)
    return engine
