"""What is unusual about the size of a training, in figures."""

from __future__ import annotations

import math
from collections.abc import Iterator

from backends.yolov5.training.loop import Loop
from core.errors import counted


def doubts(loop: Loop) -> Iterator[str]:
    """Yield a line for each quantity that is too small for what it is for.

    Args:
        loop: The training, before its first epoch.
    """
    recipe, images, per_epoch = loop.recipe, loop.batches.pictures, len(loop.batches)
    if images < recipe.batch:
        yield (
            f"the training split has {counted(images, 'image')}, fewer than a batch of {recipe.batch}: "
            "an epoch is one batch; a smaller train.batch gives more steps"
        )
    total, warmup = recipe.epochs * per_epoch, loop.schedule.warmup
    if warmup >= total:
        yield (
            f"the warm-up takes {counted(warmup, 'batch')}, the training {total} ({recipe.epochs} x {per_epoch}): "
            f"the learning rate never reaches lr0={recipe.options.lr0:g}; train.warmup_epochs=0 trains without a "
            f"warm-up, train.epochs={math.ceil(2 * warmup / per_epoch)} for twice its length"
        )
