"""Options of the runtime ``onnxruntime``, and its rules for Q/DQ pairs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated

from core.kinds.quantizer import QdqStyle
from core.options.fields import presentation
from core.options.ranges import NonNegative, Range

# SiLU stays in float between its convolutions: on CPUs with wide vectors QuickGelu with its Q/DQ pairs is faster than
# QLinearSigmoid and QLinearMul, and x is rounded once instead of three times. The first convolution has three input
# channels, which no integer kernel supports well: in int8 it takes twice as long as in float. Up to 32 channels the
# integer kernels gain less than the conversions around them cost. A 1x1 convolution with float output saves a rounding
# and DequantizeLinear, which runs on one thread; so does Resize, which is slow for uint8 in NHWC.
STYLE = QdqStyle(
    symmetric=False,
    outputs=True,
    through=frozenset({"Add", "Concat", "MaxPool", "Resize"}),
    one_range=frozenset({"Concat", "MaxPool", "Resize"}),
    bias=True,
    fused_silu=True,
    float_stem=True,
    float_channels=32,
    pointwise=True,
    copied_pixels=True,
    channels_last=True,
)


class Optimisation(str, Enum):
    """How much ONNX Runtime optimises the graph.

    ``all`` includes layouts for the vector width of this CPU: the engine opens fastest, and runs only on CPUs of the
    same kind. ``extended`` leaves the layouts to the opening of the engine: it opens more slowly, runs as fast, and
    runs on other CPUs of the architecture. ``none`` does not change the graph, for debugging.
    """

    all = "all"
    extended = "extended"
    none = "none"


@dataclass
class OrtOptions:
    """Options of the runtime ``onnxruntime``.

    Attributes:
        threads: Number of threads of an inference; 0: the cores that this process may use.
        optimisation: Graph optimisation of an engine; ONNX files are always opened with ``all``.
        spin: Microseconds that a thread spins for work before it sleeps. 0 (sleep at once) is slower on an idle
            machine. ONNX Runtime's default of about 1000 takes cores from decoding and encoding, and is several times
            slower on a busy machine. 100 is 3 % faster than 20 for one INT8 image, and as much slower during video
            encoding.
    """

    threads: Annotated[int, Range(0, 1024)] = presentation(default=0)
    optimisation: Optimisation = Optimisation.all
    spin: NonNegative = presentation(default=100)
