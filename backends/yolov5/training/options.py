"""The options of YOLOv5's training; defaults are YOLOv5's for training from scratch (docs/contracts.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from core.kinds.training import Amp, Optimizer
from core.options.ranges import Fraction, NonNegative, NonNegativeFloat, Positive, PositiveFloat, Range


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How a network is trained, besides what any detector's training has (:class:`Recipe`).

    The ranges are checked by the plan, not here.

    Attributes:
        rect: Batches of images of one shape, each in the smallest input that holds them; without mosaic.
        multi_scale: Change the side of the input from batch to batch by up to half.
        image_weights: Draw images more often whose classes have a low mAP.
        freeze: Freeze the first N layers (10: the backbone).
        autoanchor: Fit anchors to the boxes where the given ones miss more than 2 % of them.
        amp: Mixed precision.
        channels_last: Keep images and features as NHWC in memory, which is faster.
        compile: Compile the network with torch.compile.
        optimizer: The optimizer.
        lr0: Learning rate after the warm-up.
        lrf: Final learning rate as a fraction of lr0.
        cos_lr: Decay the learning rate along a half cosine instead of a line.
        momentum: Momentum of SGD; beta1 of Adam.
        weight_decay: Weight decay of convolutions, for the nominal batch.
        nominal_batch: Gradients of smaller batches are summed until this many images were seen.
        warmup_epochs: Length of the warm-up; at least 100 batches unless 0.
        warmup_momentum: Momentum at the start of the warm-up.
        warmup_bias_lr: Learning rate of the biases at the start of the warm-up; that of all else starts at 0.
        clip: Maximum norm of the gradient; 0 disables clipping.
        box: Gain of the box term of the loss.
        obj: Gain of the objectness term.
        cls: Gain of the class term.
        obj_pw: Weight of positives in the objectness term.
        cls_pw: Weight of positives in the class term.
        label_smoothing: Class targets are 1 - e/2 and e/2.
        anchor_t: A box matches an anchor when no side differs by this factor.
        mosaic: Probability that four images become one.
        close_mosaic: No mosaic in the last N epochs.
        mixup: Probability that a mosaic is blended with another one.
        degrees: Maximum rotation, in degrees.
        translate: Maximum shift, as a fraction of the image.
        scale: Zoom by 1 - scale to 1 + scale.
        shear: Maximum shear, in degrees.
        perspective: Maximum perspective per pixel.
        hsv_h: Maximum change of hue, as a fraction.
        hsv_s: Maximum change of saturation, as a fraction.
        hsv_v: Maximum change of value, as a fraction.
        fliplr: Probability of a left-right mirror image.
        flipud: Probability of an up-down mirror image.
    """

    rect: bool = False
    multi_scale: bool = False
    image_weights: bool = False
    freeze: NonNegative = 0
    autoanchor: bool = True
    amp: Amp = Amp.auto
    channels_last: bool = True
    compile: bool = False
    optimizer: Optimizer = Optimizer.sgd
    lr0: PositiveFloat = 0.01
    lrf: Fraction = 0.01
    cos_lr: bool = False
    momentum: Fraction = 0.937
    weight_decay: NonNegativeFloat = 5e-4
    nominal_batch: Positive = 64
    warmup_epochs: NonNegativeFloat = 3.0
    warmup_momentum: Fraction = 0.8
    warmup_bias_lr: NonNegativeFloat = 0.1
    clip: NonNegativeFloat = 10.0
    box: NonNegativeFloat = 0.05
    obj: NonNegativeFloat = 1.0
    cls: NonNegativeFloat = 0.5
    obj_pw: PositiveFloat = 1.0
    cls_pw: PositiveFloat = 1.0
    label_smoothing: Fraction = 0.0
    anchor_t: Annotated[float, Range(1, above=True)] = 4.0
    mosaic: Fraction = 1.0
    close_mosaic: NonNegative = 0
    mixup: Fraction = 0.0
    degrees: Annotated[float, Range(0, 180)] = 0.0
    translate: Fraction = 0.1
    scale: Annotated[float, Range(0, 0.99)] = 0.5
    shear: Annotated[float, Range(0, 60)] = 0.0
    perspective: Annotated[float, Range(0, 0.001)] = 0.0
    hsv_h: Fraction = 0.015
    hsv_s: Fraction = 0.7
    hsv_v: Fraction = 0.4
    fliplr: Fraction = 0.5
    flipud: Fraction = 0.0
