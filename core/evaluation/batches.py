"""Group the images of a split into batches and choose the input size of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from core.data.dataset import Sample
from core.errors import HooklineError
from core.media.choices import MAX_PIXELS
from core.media.picture import UnreadableError, picture_size
from core.model_facts import InputContract
from core.process.resources import usable_cores

Size = tuple[int, int]
"""Height and width in pixels."""
SQUARE: Size = (1, 1)


@dataclass(frozen=True)
class EvaluationBatch:
    """Images of one inference.

    Attributes:
        indices: Positions in the samples.
        contract: Input contract of the model with the height and width of this batch.
    """

    indices: tuple[int, ...]
    contract: InputContract


def plain_batches(count: int, batch: int, contract: InputContract) -> list[EvaluationBatch]:
    """Group ``count`` images in order; all batches have the size of the contract."""
    return [
        EvaluationBatch(tuple(range(start, min(start + batch, count))), contract) for start in range(0, count, batch)
    ]


def rectangular_batches(
    sizes: Sequence[Size], batch: int, contract: InputContract, stride: int
) -> list[EvaluationBatch]:
    """Group images by aspect ratio; each batch has the smallest shape for its images plus a border.

    A side is ceil(pixels / stride + 0.5) * stride, where pixels is the largest such side in the batch after each image
    is scaled to fit the contract's size. The border is at least half a stride.

    Args:
        sizes: Height and width of each image.
        batch: Images per batch.
        contract: Size that images are scaled to fit; height and width must be dynamic.
        stride: Largest stride of the model.

    Raises:
        HooklineError: The model has a fixed input size.
    """
    _check_dynamic(contract)
    order = sorted(range(len(sizes)), key=lambda index: sizes[index][0] / sizes[index][1])
    groups = (tuple(order[start : start + batch]) for start in range(0, len(order), batch))
    return [EvaluationBatch(group, _holding([sizes[index] for index in group], contract, stride)) for group in groups]


def _check_dynamic(contract: InputContract) -> None:
    """Raise an error for a model with a fixed input size."""
    if not {"height", "width"} <= set(contract.dynamic):
        raise HooklineError(
            f"evaluate.rectangular=true needs dynamic height and width, but the input size of this model is "
            f"{contract.height}x{contract.width}",
            "export it with export.dynamic=[height,width], or set evaluate.model=checkpoint",
        )


def _holding(sizes: Sequence[Size], contract: InputContract, stride: int) -> InputContract:
    scaled = [_fitted(size, contract) for size in sizes]
    height, width = (_side(max(sides), stride) for sides in zip(*scaled, strict=True))
    return replace(contract, height=height, width=width)


def _fitted(size: Size, contract: InputContract) -> tuple[float, float]:
    ratio = min(contract.height / size[0], contract.width / size[1])
    return size[0] * ratio, size[1] * ratio


def _side(pixels: float, stride: int) -> int:
    return math.ceil(pixels / stride + 0.5) * stride


def read_sizes(samples: Sequence[Sample], max_pixels: int = MAX_PIXELS) -> list[Size]:
    """Return height and width of each image, read from its header; unreadable images count as square."""
    with ThreadPoolExecutor(max(1, usable_cores())) as pool:
        return list(pool.map(partial(_size, max_pixels), samples))


def _size(max_pixels: int, sample: Sample) -> Size:
    try:
        return picture_size(sample.image, max_pixels)
    except UnreadableError:
        return SQUARE  # the evaluation reports it when it reads the image
