"""Options and hyperparameters of a YOLOv5 training run; the defaults are YOLOv5's for training from scratch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from core.options.ranges import Fraction, NonNegative, NonNegativeFloat, Positive, PositiveFloat, Range
from core.options.training import Amp, ImageCache, Optimizer


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """YOLOv5's own training options, ``train.<name>`` on the command line.

    The plan checks the ranges; this class does not. Formulas: docs/contracts.md.

    Attributes:
        rect: Rectangular training: batches of images of similar aspect ratio with minimal padding, without mosaic.
        multi_scale: Vary the input size per batch from 0.5 to 1.5 times imgsz.
        image_weights: Draw images more often whose classes have a low mAP.
        freeze: Freeze the first N layers; 10: the backbone.
        autoanchor: Fit new anchors to the boxes of the data set if the anchors match less than 98 % of them.
        amp: Automatic mixed precision.
        channels_last: Use the memory format NHWC (torch.channels_last), which is faster.
        compile: Compile the network with torch.compile.
        optimizer: Optimizer.
        lr0: Initial learning rate, reached at the end of the warm-up.
        lrf: Final learning rate as a fraction of lr0.
        cos_lr: Cosine learning-rate schedule instead of a linear one.
        momentum: Momentum of SGD, beta1 of Adam and AdamW.
        weight_decay: Weight decay of convolution weights, for nominal_batch images per optimizer step.
        nominal_batch: Nominal batch size in images; gradients of smaller batches are accumulated to it.
        warmup_epochs: Length of the warm-up in epochs, at least 100 batches; 0 disables it.
        warmup_momentum: Momentum at the start of the warm-up.
        warmup_bias_lr: Learning rate of biases at the start of the warm-up; other parameters start at 0.
        clip: Maximum norm of the gradient; 0 disables clipping.
        box: Gain of the box loss (CIoU).
        obj: Gain of the objectness loss.
        cls: Gain of the class loss, scaled by classes / 80.
        obj_pw: Weight of positives in the BCE of the objectness loss.
        cls_pw: Weight of positives in the BCE of the class loss.
        label_smoothing: Label smoothing e: class targets are 1 - e/2 and e/2.
        anchor_t: Anchor threshold: a box matches an anchor if no ratio of their sides, or its inverse, reaches this.
        mosaic: Probability of a mosaic of four images.
        close_mosaic: Disable mosaic in the last N epochs.
        mixup: Probability that a mosaic is blended with a second one (MixUp).
        degrees: Random rotation, +/- degrees.
        translate: Random translation, +/- fraction of the image size.
        scale: Random scale, 1 +/- this gain.
        shear: Random shear, +/- degrees.
        perspective: Random perspective, +/- fraction per pixel.
        hsv_h: Random hue, +/- fraction.
        hsv_s: Random saturation, +/- fraction.
        hsv_v: Random value (brightness), +/- fraction.
        fliplr: Probability of a left-right flip.
        flipud: Probability of an up-down flip.
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


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """All hyperparameters of one training: those of any detector, with the batch known, and YOLOv5's options.

    Attributes:
        imgsz: Side of the square input in pixels, a multiple of the largest stride.
        epochs: Number of training epochs.
        batch: Images per batch, of all processes together.
        seed: Seed of all random numbers.
        workers: Number of data loader processes of this process.
        patience: Early stopping: epochs without improvement; 0 disables it.
        hours: Stop before the epoch that would end after this many hours; None disables it.
        val_every: Validation interval in epochs; the last epoch is always validated.
        cache: Where decoded images are cached.
        options: YOLOv5's own options.
    """

    imgsz: int = 640
    epochs: int = 100
    batch: int = 16
    seed: int = 0
    workers: int = 2
    patience: int = 100
    hours: float | None = None
    val_every: int = 1
    cache: ImageCache = ImageCache.none
    options: TrainingOptions = field(default_factory=TrainingOptions)
