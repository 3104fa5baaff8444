"""How a runtime wants its graphs quantised. Each runtime states one (``backends/<runtime>/style.py``)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class QdqStyle:
    """Where Q/DQ pairs go and what they look like.

    Weights are always int8, symmetric, one scale an output channel. The convolutions that give the
    heads, and all that follows them, always stay in float.

    Attributes:
        runtime: Whose rules these are.
        symmetric: Activations are int8 with zero point 0 and scale amax / 127; otherwise uint8 over
            [low, high], extended to hold 0.
        outputs: Quantise also what an operator gives, not only what it takes: a runtime that fuses
            DQ -> operator -> Q into one integer operator needs both.
        through: Operators besides Conv that run on integers.
        one_range: Operators whose inputs and outputs share one range, so that no values are rescaled.
        shortcut: Of a residual Add, quantise only the branch that goes round the convolutions; the
            other one is then added while the convolution writes its result.
        bias: Quantise the bias of a Conv that gives integers, to int32 with the scale of input times weight.
        fused_silu: Write x * sigmoid(x) as one ``com.microsoft.QuickGelu``.
        float_stem: Leave the first convolution, and what comes before it, in float.
        float_channels: With ``float_stem`` leave also those that follow it in float, up to the first one
            that gives more channels; where none does, only the stem.
        pointwise: Write a 1x1 convolution as ``com.microsoft.MatMulIntegerToFloat``: what it gives stays float.
        copied_pixels: Write nearest upsampling of integers to twice the size as copies; static sizes only.
        channels_last: Quantise in NHWC what comes from there or from a float convolution, with ``fused_silu``.
        half: What stays in float is float16 between the input and the outputs, with ``symmetric``; else float32.
    """

    runtime: str
    symmetric: bool
    outputs: bool
    through: frozenset[str]
    one_range: frozenset[str]
    shortcut: bool
    bias: bool
    fused_silu: bool
    float_stem: bool
    float_channels: int = 0
    pointwise: bool = False
    copied_pixels: bool = False
    channels_last: bool = False
    half: bool = False
