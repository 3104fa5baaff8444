"""Record the activations of a model, for calibration.

Every recorded tensor becomes a graph output that ONNX Runtime writes into a preallocated buffer. The buffers are
reused, so memory does not grow with the number of images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto

from backends.ort.loading import Level, load_session, ort_errors, session_options
from backends.ort.options import OrtOptions
from core.artifacts import OnnxModel
from core.errors import HooklineError
from core.files.onnx_file import check_onnx, infer_shapes, read_onnx

Floats = NDArray[np.float32]


class OrtActivationRecorder:
    """Runs a model and returns its float32 activations.

    Attributes:
        tensors: Names of the recorded tensors in graph order, the input first.
    """

    def __init__(self, model: OnnxModel, options: OrtOptions, tensors: Sequence[str] | None = None) -> None:
        graph = read_model(model)
        names = float_activations(graph)
        if missing := sorted(set(tensors or ()) - {model.contract.name, *names}):
            raise HooklineError(
                f"'{model.path.name}' has no float32 tensor '{missing[0]}'", f"it has {len(names)} float32 tensors"
            )
        if not names:
            raise HooklineError(f"'{model.path.name}' has no float32 activations to calibrate", "export it in float32")
        wanted = names if tensors is None else [name for name in names if name in set(tensors)]
        # The outputs between nodes prevent fusions: the basic level is as fast and opens sooner.
        settings = session_options(options, Level.ORT_ENABLE_BASIC)
        self._title = f"'{model.path.name}'"
        self._session: ort.InferenceSession | None = load_session(_with_outputs(graph, wanted), settings, self._title)
        self._input = model.contract.name
        self._wanted = wanted
        self._buffers: dict[str, Floats] = {}
        self._shape: tuple[int, ...] = ()
        self.tensors: Sequence[str] = [self._input, *wanted]

    def run(self, images: Floats) -> Iterator[tuple[str, Floats]]:
        """Infer one batch, float32 [B, 3, H, W], and yield every recorded tensor.

        The arrays are valid until the next call.
        """
        if self._session is None:
            raise RuntimeError("the recorder is closed")
        feed = np.ascontiguousarray(images, np.float32)
        if feed.shape == self._shape:
            self._rerun(self._session, feed)
        else:
            self._first_run(self._session, feed)
        return iter([(self._input, feed), *self._buffers.items()])

    def _first_run(self, session: ort.InferenceSession, feed: Floats) -> None:
        """Infer once to get the shapes for this input size."""
        self._buffers.clear()
        with ort_errors("run", self._title):
            values = session.run(self._wanted, {self._input: feed})
        self._buffers.update(zip(self._wanted, values, strict=True))
        self._shape = feed.shape

    def _rerun(self, session: ort.InferenceSession, feed: Floats) -> None:
        binding = session.io_binding()
        binding.bind_cpu_input(self._input, feed)
        for name, buffer in self._buffers.items():
            binding.bind_output(name, "cpu", 0, np.float32, buffer.shape, buffer.ctypes.data)
        with ort_errors("run", self._title):
            session.run_with_iobinding(binding)

    def __enter__(self) -> OrtActivationRecorder:
        return self

    def __exit__(self, *error: object) -> None:
        self._session = None
        self._buffers.clear()


def read_model(model: OnnxModel) -> onnx.ModelProto:
    """Read a model and infer the types of its inner tensors.

    Raises:
        HooklineError: The file is missing, truncated or not an ONNX model.
    """
    graph = read_onnx(model.path)
    check_onnx(graph, model.path)
    return infer_shapes(graph, model.path)


def float_activations(graph: onnx.ModelProto) -> list[str]:
    """Return the names of the float32 tensors that depend on the input, in graph order."""
    types = {value.name: value.type.tensor_type.elem_type for value in [*graph.graph.value_info, *graph.graph.output]}
    reached = {value.name for value in graph.graph.input}
    names = []
    for node in graph.graph.node:
        if reached.isdisjoint(node.input):
            continue
        reached.update(node.output)
        names += [name for name in node.output if types.get(name) == TensorProto.FLOAT]
    return names


def _with_outputs(graph: onnx.ModelProto, names: Sequence[str]) -> bytes:
    present = {value.name: value for value in [*graph.graph.value_info, *graph.graph.output]}
    del graph.graph.output[:]
    graph.graph.output.extend(present[name] for name in names)
    content: bytes = graph.SerializeToString()
    return content
