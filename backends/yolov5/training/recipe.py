"""Everything that decides how a network is trained, besides the network and the pictures."""

from __future__ import annotations

from dataclasses import dataclass, field

from backends.yolov5.training.settings import Augmentation, LossGains, Optimisation


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A training.

    Attributes:
        imgsz: Side of the square input, pixels; a multiple of the largest stride.
        epochs: How many times every picture is seen.
        batch: Pictures a batch, of all processes together.
        seed: Of every random choice.
        workers: Processes that read pictures, for this process.
        patience: Stop when fitness has not grown for so many epochs; 0: never.
        hours: Stop before the epoch that would end later than this; None: never.
        val_every: Validate after every so many epochs, and after the last.
        cache: ``none`` or ``ram``.
        rect: Batches of one shape each, without mosaic.
        multi_scale: Change the side from batch to batch by up to half.
        image_weights: Draw pictures more often whose classes are found badly.
        freeze: Leave the first so many layers as they are.
        autoanchor: Fit anchors to the boxes where the given ones miss more than 2 % of them.
        amp: ``auto``, ``off``, ``fp16`` or ``bf16``.
        channels_last: NHWC in memory: faster on GPUs, and half as long again without it on a CPU.
        compile: Compile the network.
        augmentation, gains, optimisation: The numbers of each.
    """

    imgsz: int = 640
    epochs: int = 100
    batch: int = 16
    seed: int = 0
    workers: int = 2
    patience: int = 100
    hours: float | None = None
    val_every: int = 1
    cache: str = "none"
    rect: bool = False
    multi_scale: bool = False
    image_weights: bool = False
    freeze: int = 0
    autoanchor: bool = True
    amp: str = "auto"
    channels_last: bool = True
    compile: bool = False
    augmentation: Augmentation = field(default_factory=Augmentation)
    gains: LossGains = field(default_factory=LossGains)
    optimisation: Optimisation = field(default_factory=Optimisation)
