"""Quantizers: the Q/DQ rules of a runtime, the job, and the descriptor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from core.artifacts import CalibrationTable, OnnxModel
from core.kinds.part import Part
from core.model_facts import Precision


@dataclass(frozen=True, kw_only=True)
class QdqStyle:
    """Rules of a runtime for QuantizeLinear/DequantizeLinear (Q/DQ) pairs: where to insert them, and in which form.

    The defaults suit most runtimes with explicit quantisation: symmetric int8 pairs at the inputs of each convolution,
    one scale per output channel of its weights, float32 elsewhere. Weights are always int8 with zero point 0. The
    output convolutions of the network and everything after them stay in float.

    Attributes:
        symmetric: Quantise activations to int8 with zero point 0 and scale amax / 127; otherwise to uint8 over
            [low, high], extended to contain 0.
        per_channel: One scale per output channel of the weights; otherwise one per tensor.
        outputs: Also quantise the outputs of an operator, for a runtime that fuses DQ -> operator -> Q into one integer
            operator.
        through: Further operators that run on integers, in addition to Conv, e.g. ``MaxPool``.
        one_range: Operators whose inputs and outputs share one range, so that no values are rescaled.
        shortcut: In a residual Add, quantise only the branch that bypasses the convolutions. The runtime then fuses the
            addition into the convolution of the other branch.
        bias: Quantise the bias of a Conv with an integer output to int32, with scale input scale * weight scale.
        fused_silu: Write x * sigmoid(x) as one ``com.microsoft.QuickGelu``.
        float_stem: Leave the first convolution, and everything before it, in float.
        float_channels: With ``float_stem``, also leave the convolutions after the stem in float, up to the first one
            with more output channels than this; if there is none, only the stem.
        pointwise: Write a 1x1 convolution as ``com.microsoft.MatMulIntegerToFloat``, with a float output.
        copied_pixels: Write 2x nearest-neighbour upsampling of integers as copies; static sizes only.
        channels_last: Quantise in NHWC if the data comes from NHWC or from a float convolution. Needs ``fused_silu``.
        half: Use float16 for the float part between the inputs and outputs of the model; otherwise float32. Needs
            ``symmetric``.

    Raises:
        ValueError: A value needs another one that is not set.
    """

    symmetric: bool = True
    per_channel: bool = True
    outputs: bool = False
    through: frozenset[str] = frozenset()
    one_range: frozenset[str] = frozenset()
    shortcut: bool = False
    bias: bool = False
    fused_silu: bool = False
    float_stem: bool = False
    float_channels: int = 0
    pointwise: bool = False
    copied_pixels: bool = False
    channels_last: bool = False
    half: bool = False

    def __post_init__(self) -> None:
        needs = {"half": "symmetric", "channels_last": "fused_silu"}
        for name, other in needs.items():
            if getattr(self, name) and not getattr(self, other):
                raise ValueError(f"QdqStyle({name}=True) needs {other}=True")


@dataclass(frozen=True, kw_only=True)
class QuantizeJob:
    """One model to quantise.

    Attributes:
        model: The exported model: float32, or in ``precision`` already.
        precision: Precision of the result. If it is ``fp32`` or that of the model, write a copy of the model.
        table: Ranges of the activations; set if ``precision`` is int8.
        style: Rules of the runtime; None if the runtime has none. Set whenever ``table`` is.
        target: The ONNX file to write, with the metadata and the float32 inputs and outputs of the model.
    """

    model: OnnxModel
    precision: Precision
    target: Path
    table: CalibrationTable | None = None
    style: QdqStyle | None = None


class QuantizerBackend(Protocol):
    """The implementation of a quantizer."""

    def quantize(self, job: QuantizeJob) -> None:
        """Write ``job.model`` in ``job.precision`` to ``job.target``.

        The stage refuses a file with other inputs, outputs or metadata than the model. If the precision
        changes, it also refuses a file without Q/DQ nodes and int8 tensors (int8) or without float16 tensors (fp16).

        Args:
            job: The model, its ranges, and the file to write.

        Raises:
            HooklineError: The table belongs to another model, or the graph cannot be converted to the precision.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Quantizer(Part[QuantizerBackend]):
    """A method that converts a model to another precision.

    Attributes:
        precisions: Precisions that it can produce; ``fp32`` is a copy of the model.
    """

    kind: ClassVar[str] = "quantizers"
    precisions: frozenset[Precision] = frozenset(Precision)
