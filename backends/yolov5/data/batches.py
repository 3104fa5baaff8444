"""The batches of a training as its loop wants them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from backends.yolov5.config import ModelConfig
from backends.yolov5.data.images import TrainingImages
from backends.yolov5.data.loader import Loader
from backends.yolov5.data.reading import Read
from backends.yolov5.data.sampler import EpochSampler, image_weights, smallest_shapes
from backends.yolov5.data.samples import LabelledImage, Shape, TrainingBatch
from backends.yolov5.training.hyperparameters import Hyperparameters
from backends.yolov5.training.processes import Processes


class TrainingBatches:
    """Implements :class:`backends.yolov5.training.loop.Batches` on picture files.

    Args:
        samples: Pictures and their objects.
        sizes: Height and width of each picture.
        read: A file to uint8 BGR [H, W, 3].
        recipe: Size, batch, workers, seed, augmentation.
        config: Of the network.
        mine: This process among those that train.

    Raises:
        TrainingError: The pictures do not fit into the memory where they are to be kept there.
    """

    def __init__(  # noqa: PLR0917
        self,
        samples: Sequence[LabelledImage],
        sizes: Sequence[Shape],
        read: Read,
        recipe: Hyperparameters,
        config: ModelConfig,
        mine: Processes,
    ) -> None:
        self.pictures = len(samples)
        self._samples, self._weighted, self._classes = samples, recipe.options.image_weights, config.num_classes
        pictures = TrainingImages(
            samples,
            read,
            recipe.options,
            imgsz=recipe.imgsz,
            epochs=recipe.epochs,
            seed=recipe.seed,
            cache=recipe.cache,
            beside=mine.beside,
        )
        sampler = EpochSampler(
            count=len(samples),
            batch=recipe.batch,
            seed=recipe.seed,
            rank=mine.rank,
            world=mine.world,
            shapes=smallest_shapes(sizes, recipe.imgsz, max(config.strides)) if recipe.options.rect else None,
        )
        self._loader = Loader(pictures, sampler, workers=recipe.workers, pin=mine.device.type == "cuda")
        self._page = Loader(pictures, sampler, workers=0)

    def __len__(self) -> int:
        return len(self._loader)

    def epoch(self, number: int, class_scores: Mapping[int, float]) -> Iterator[TrainingBatch]:
        """The batches of epoch ``number``; ``class_scores``: mAP by class id, where it is known."""
        return self._loader.epoch(number, self._weights(class_scores) if self._weighted else None)

    def first(self) -> TrainingBatch:
        """Return the first batch of the first epoch."""
        return next(iter(self._page.epoch(0)))

    def close(self) -> None:
        """End the worker processes."""
        self._loader.close()

    def _weights(self, class_scores: Mapping[int, float]) -> NDArray[np.float64]:
        scores = np.zeros(self._classes)
        for index, score in class_scores.items():
            scores[index] = score
        return image_weights(self._samples, scores)
