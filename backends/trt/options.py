"""Options of the runtime ``tensorrt``, and how TensorRT wants graphs quantised."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated

from core.kinds.quantizer import QdqStyle
from core.model_facts import Int8Route
from core.options.fields import presentation
from core.options.ranges import NonNegative, PositiveFloat, Range


class Hardware(str, Enum):
    """Which GPUs an engine is for; ``this``: those of this kind. The others are slower."""

    this = "this"
    ampere_plus = "ampere_plus"
    same_compute_capability = "same_compute_capability"


class PluginForm(str, Enum):
    """Where the code of ``YoloLayer_TRT`` is: in this package, or in the engine itself."""

    python = "python"
    ahead_of_time = "ahead_of_time"


class Method(str, Enum):
    """How a runtime that quantises by itself finds the ranges; ``table`` takes those of the stage calibrate."""

    minmax = "minmax"
    entropy = "entropy"
    table = "table"


@dataclass
class TrtOptions:
    """Options of the runtime ``tensorrt``. null leaves a choice to TensorRT.

    Attributes:
        int8: How a model becomes int8. ``qdq``: the stage quantize puts Q/DQ pairs into the graph. ``calibrator``:
            TensorRT up to 10 quantises the float32 model while it builds, with the images of ``calibrate``.
        method: For ``int8=calibrator``: ``minmax`` or ``entropy`` of TensorRT; ``table``: the ranges of ``calibrate``.
        workspace: GiB that a kernel may use for scratch at most; null: all of the GPU's memory.
        optimization_level: 0 to 5: how long to search for kernels; null: 3.
        tactic_sources: Names of the libraries that kernels are taken from, e.g. ``[CUBLAS_LT]``; null: its own choice.
        tf32: float32 convolutions may use TF32, with 10 bits of mantissa, on GPUs that have it.
        hardware: GPUs that the engine is for.
        version_compatible: The engine may be opened by later releases too; it is larger, and runs host code from the
            plan when it is opened.
        dla: Number of a DLA core to run on; what it does not take runs on the GPU.
        plugin: With `python` an engine runs where hookline is; `ahead_of_time` puts the code of the plugin into the
            engine, for trtexec, Triton and C++.
        timing_cache: Keep measurements of kernels for later builds.
        graphs: Launch repeated work as CUDA graphs.
    """

    int8: Int8Route = Int8Route.qdq
    method: Method = Method.minmax
    workspace: PositiveFloat | None = None
    optimization_level: Annotated[int, Range(0, 5)] | None = None
    tactic_sources: list[str] | None = None
    tf32: bool = True
    hardware: Hardware = Hardware.this
    version_compatible: bool = False
    dla: NonNegative | None = None
    plugin: PluginForm = PluginForm.python
    timing_cache: bool = presentation(default=True)
    graphs: bool = presentation(default=True)


STYLE = QdqStyle(
    symmetric=True,
    through=frozenset({"Concat", "MaxPool", "Resize"}),
    one_range=frozenset({"Concat", "MaxPool", "Resize"}),
    shortcut=True,
    half=True,
)
