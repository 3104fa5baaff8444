"""The runtime ``onnxruntime``: build and open engines, open ONNX models, record activations."""

from __future__ import annotations

from collections.abc import Sequence

from backends.ort.engine import RUNTIME, build_engine, check_engine, open_engine
from backends.ort.loading import Level, load_session, session_options
from backends.ort.machine import this_machine
from backends.ort.options import OrtOptions
from backends.ort.recorder import OrtActivationRecorder
from backends.ort.session import OrtSession
from core.artifacts import Engine, OnnxModel, QuantizedModel
from core.errors import HooklineError
from core.kinds.building import BuildJob


class OrtRuntime:
    """Builds and opens engines with ONNX Runtime on the CPU."""

    def __init__(self, options: OrtOptions) -> None:
        self.options = options

    def machine(self, device: str = "auto") -> dict[str, str]:
        """Return the machine facts that an engine depends on.

        Raises:
            HooklineError: The device is not the CPU.
        """
        check_device(device)
        return this_machine()

    def build(self, job: BuildJob) -> Engine:
        """Optimise the graph for this machine, write it to ``job.target`` and warm it up."""
        return build_engine(job, self.options)

    def open(self, model: OnnxModel | Engine, *, device: str) -> OrtSession:
        """Open an engine or an ONNX model.

        Raises:
            HooklineError: The device is not the CPU, the file is damaged, or the engine does not fit this machine.
        """
        check_device(device)
        if isinstance(model, Engine):
            check_engine(model)
            return open_engine(model, self.options)
        settings = session_options(self.options, Level.ORT_ENABLE_ALL)
        if isinstance(model, QuantizedModel) and model.runtime != RUNTIME:
            # Keep Q/DQ pairs as they are: with float16 between them, the fusions produce invalid graphs.
            settings.add_session_config_entry("session.disable_quant_qdq", "1")
        return OrtSession(load_session(model.path, settings, f"'{model.path}'"), model)

    def record_activations(self, model: OnnxModel, tensors: Sequence[str] | None = None) -> OrtActivationRecorder:
        """Open a model with its float activations as outputs: all, or the named tensors."""
        return OrtActivationRecorder(model, self.options, tensors)


def check_device(device: str) -> None:
    """Refuse any device but the CPU."""
    if device not in {"auto", "cpu"}:
        raise HooklineError(f"the runtime onnxruntime runs on the CPU, not on '{device}'", "set device=cpu")
