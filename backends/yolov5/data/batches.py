"""The training batches of image files, for the training loop."""

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
from backends.yolov5.training.distributed import Distributed
from backends.yolov5.training.options import Hyperparameters


class TrainingBatches:
    """Implements :class:`backends.yolov5.training.loop.Batches` with image files.

    Args:
        samples: Images and their objects.
        sizes: Height and width of each image in pixels.
        read: Reads a file as uint8 BGR [H, W, 3].
        hyperparameters: Input size, batch, workers, seed, augmentation.
        config: Shape of the network.
        distributed: Rank and device of this process.

    Raises:
        TrainingError: ``cache`` is ``ram`` and the images do not fit into memory.
    """

    def __init__(  # noqa: PLR0917
        self,
        samples: Sequence[LabelledImage],
        sizes: Sequence[Shape],
        read: Read,
        hyperparameters: Hyperparameters,
        config: ModelConfig,
        distributed: Distributed,
    ) -> None:
        options, stride = hyperparameters.options, max(config.strides)
        self.images = len(samples)
        self._samples, self._weighted, self._classes = samples, options.image_weights, config.num_classes
        images = TrainingImages(
            samples,
            read,
            options,
            imgsz=hyperparameters.imgsz,
            epochs=hyperparameters.epochs,
            seed=hyperparameters.seed,
            cache=hyperparameters.cache,
            local_world_size=distributed.local_world_size,
        )
        sampler = EpochSampler(
            count=len(samples),
            batch=hyperparameters.batch,
            seed=hyperparameters.seed,
            rank=distributed.rank,
            world_size=distributed.world_size,
            shapes=smallest_shapes(sizes, hyperparameters.imgsz, stride) if options.rect else None,
        )
        self._loader = Loader(images, sampler, workers=hyperparameters.workers, pin=distributed.device.type == "cuda")
        self._first = Loader(images, sampler, workers=0)

    def __len__(self) -> int:
        return len(self._loader)

    def epoch(self, number: int, class_scores: Mapping[int, float]) -> Iterator[TrainingBatch]:
        """Yield the batches of epoch ``number``; ``class_scores`` has the known mAP by class id."""
        return self._loader.epoch(number, self._weights(class_scores) if self._weighted else None)

    def first(self) -> TrainingBatch:
        """Return the first batch of the first epoch."""
        return next(iter(self._first.epoch(0)))

    def close(self) -> None:
        """Stop the worker processes."""
        self._loader.close()

    def _weights(self, class_scores: Mapping[int, float]) -> NDArray[np.float64]:
        scores = np.zeros(self._classes)
        for index, score in class_scores.items():
            scores[index] = score
        return image_weights(self._samples, scores)
