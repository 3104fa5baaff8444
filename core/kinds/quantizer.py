"""Quantizers: Q/DQ rules as data, the job, and the descriptor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from core.artifacts import CalibrationTable, OnnxModel
from core.kinds.part import Part
from core.model_facts import Precision


@dataclass(frozen=True, kw_only=True)
class QdqStyle:
    """Where a runtime wants QuantizeLinear/DequantizeLinear pairs (Q/DQ), and of which form.

    The defaults are what most runtimes with explicit quantisation take: symmetric int8 pairs at the inputs of each
    convolution, one scale per output channel of its weights, float32 elsewhere. Weights are always int8 with zero
    point 0. The convolutions that give the heads, and all that follows them, stay in float.

    Attributes:
        symmetric: Activations are int8 with zero point 0 and scale amax / 127; otherwise uint8 over
            [low, high], extended to contain 0.
        per_channel: Weights have one scale per output channel; otherwise one per tensor.
        outputs: Quantise also the outputs of an operator: a runtime that fuses DQ -> operator -> Q into one integer
            operator needs both.
        through: Operators other than Conv that run on integers, e.g. ``MaxPool``.
        one_range: Operators whose inputs and outputs share one range, so that no values are rescaled.
        shortcut: Of a residual Add, quantise only the branch that bypasses the convolutions; the runtime then adds the
            other one while the convolution writes its result.
        bias: Quantise the bias of a Conv with an integer output, to int32 with the scale of input times weight.
        fused_silu: Write x * sigmoid(x) as one ``com.microsoft.QuickGelu``.
        float_stem: Leave the first convolution, and what precedes it, in float.
        float_channels: With ``float_stem``, also leave the convolutions after the stem in float, up to the first one
            with more output channels than this; where there is none, only the stem.
        pointwise: Write a 1x1 convolution as ``com.microsoft.MatMulIntegerToFloat``: its output stays float.
        copied_pixels: Write nearest upsampling of integers to twice the size as copies; static sizes only.
        channels_last: Quantise in NHWC what comes from NHWC or from a float convolution. Needs ``fused_silu``.
        half: What stays in float is float16 between the input and the outputs of the model; otherwise float32. Needs
            ``symmetric``.

    Raises:
        ValueError: Two values contradict each other.
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
    """What a quantizer is asked for.

    Attributes:
        model: The exported model: float32, or one that has ``precision`` already.
        precision: The precision to give it. ``fp32`` and a model that has it already: only a copy is wanted.
        table: The ranges of its activations; given when ``precision`` is int8.
        style: The rules of the runtime; None where the runtime states none. Given where ``table`` is.
        target: The ONNX file to write. It keeps the metadata and the float32 inputs and outputs of the model.
    """

    model: OnnxModel
    precision: Precision
    target: Path
    table: CalibrationTable | None = None
    style: QdqStyle | None = None


# --- quantizers -------------------------------------------------------------------------------


class QuantizerBackend(Protocol):
    """The heavy half of a quantizer."""

    def quantize(self, job: QuantizeJob) -> None:
        """Write ``job.model`` in ``job.precision`` to ``job.target``.

        The stage refuses a file with other inputs, outputs or metadata than those of the model, and, where the model
        has another precision, one without Q/DQ nodes and int8 tensors (int8) or without float16 tensors (fp16).

        Raises:
            HooklineError: The table belongs to another model, or the graph cannot have the precision.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Quantizer(Part[QuantizerBackend]):
    """A way to give a model another precision.

    Attributes:
        precisions: What it can give; ``fp32`` is a copy of the model.
    """

    kind: ClassVar[str] = "quantizers"
    precisions: frozenset[Precision] = frozenset(Precision)
