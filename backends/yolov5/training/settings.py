"""The numbers that decide a training; defaults are YOLOv5's for training from scratch (docs/contracts.md)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How training pictures are changed. Probabilities and fractions lie in 0..1.

    Attributes:
        mosaic: Probability that four pictures become one.
        close_mosaic: Of the last so many epochs no picture is a mosaic, nor mixed.
        mixup: Probability that a mosaic is blended with another one.
        degrees: Rotation, up to plus or minus so many degrees.
        translate: Shift, up to plus or minus so much of the picture.
        scale: Zoom by 1 - scale to 1 + scale.
        shear: Shear, up to plus or minus so many degrees.
        perspective: Perspective, up to plus or minus so much a pixel; 0 to 0.001.
        hsv_h, hsv_s, hsv_v: Hue, saturation and value change by up to plus or minus so much.
        fliplr, flipud: Probability of a mirror image, left-right and up-down.
    """

    mosaic: float = 1.0
    close_mosaic: int = 0
    mixup: float = 0.0
    degrees: float = 0.0
    translate: float = 0.1
    scale: float = 0.5
    shear: float = 0.0
    perspective: float = 0.0
    hsv_h: float = 0.015
    hsv_s: float = 0.7
    hsv_v: float = 0.4
    fliplr: float = 0.5
    flipud: float = 0.0


@dataclass(frozen=True, kw_only=True)
class LossGains:
    """Weights of the loss, before they are scaled to levels, classes and picture size.

    Attributes:
        box, obj, cls: Gains of 1 - CIoU, of the objectness and of the class term.
        obj_pw, cls_pw: Weight of the positives in the two cross entropies.
        label_smoothing: Class targets are 1 - e/2 and e/2.
        anchor_t: A box matches an anchor when no side differs by this factor or more.
    """

    box: float = 0.05
    obj: float = 1.0
    cls: float = 0.5
    obj_pw: float = 1.0
    cls_pw: float = 1.0
    label_smoothing: float = 0.0
    anchor_t: float = 4.0


@dataclass(frozen=True, kw_only=True)
class Optimisation:
    """How weights move.

    Attributes:
        optimizer: ``sgd`` (Nesterov), ``adam`` or ``adamw``.
        lr0: Learning rate after the warm-up.
        lrf: The last learning rate, as a fraction of ``lr0``.
        cos_lr: Go from one to the other along a half cosine instead of a line.
        momentum: Of SGD; beta1 of Adam.
        weight_decay: On the weights of convolutions and linear layers, for an effective batch of ``nominal_batch``.
        nominal_batch: Gradients of smaller batches are summed until so many pictures were seen.
        warmup_epochs: Length of the warm-up; at least 100 batches unless 0.
        warmup_momentum: Momentum at its start.
        warmup_bias_lr: Learning rate of biases at its start; that of all else begins at 0.
        clip: Largest norm of the gradient; 0 for no limit.
    """

    optimizer: str = "sgd"
    lr0: float = 0.01
    lrf: float = 0.01
    cos_lr: bool = False
    momentum: float = 0.937
    weight_decay: float = 5e-4
    nominal_batch: int = 64
    warmup_epochs: float = 3.0
    warmup_momentum: float = 0.8
    warmup_bias_lr: float = 0.1
    clip: float = 10.0
