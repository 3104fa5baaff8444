"""The training images: mosaic, mixup, geometry, flips and colours, determined by seed and draw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from backends.yolov5.data.boxes import Floats, random_matrix, to_fractions
from backends.yolov5.data.drawing import random_gains, write_planes
from backends.yolov5.data.mosaic import blend, compose, flip, mosaic, single
from backends.yolov5.data.reading import FromFiles, FromMemory, ImageReader, Read
from backends.yolov5.data.samples import Draw, Image, LabelledImage, Purpose, Shape, generator
from backends.yolov5.training.options import TrainingOptions
from core.options.training import ImageCache

MIXUP_BETA = 32.0
"""Parameter of the beta distribution of mixup: both images get about equal weight."""


class TrainingImages(Dataset[tuple[Tensor, Tensor]]):
    """Data set of augmented images, indexed by :class:`~backends.yolov5.data.samples.Draw`.

    Args:
        samples: Images and their objects.
        read: Reads a file as uint8 BGR [H, W, 3] in its EXIF orientation.
        options: Augmentation options.
        imgsz: Side of the square network input, pixels.
        epochs: Number of epochs of the whole training; the last ``close_mosaic`` have no mosaic.
        seed: Seed of the training.
        cache: ``ram`` decodes all images in the constructor and keeps them.
        local_world_size: Number of training processes on this machine; each caches all images.

    Raises:
        TrainingError: The images do not fit into memory, or one cannot be read.
    """

    def __init__(
        self,
        samples: Sequence[LabelledImage],
        read: Read,
        options: TrainingOptions,
        *,
        imgsz: int,
        epochs: int,
        seed: int,
        cache: ImageCache = ImageCache.none,
        local_world_size: int = 1,
    ) -> None:
        self.samples, self.options = samples, options
        self.imgsz, self.epochs, self.seed = imgsz, epochs, seed
        files = FromFiles([sample.path for sample in samples], read, imgsz)
        self.read: ImageReader = FromMemory(files, local_world_size) if cache is ImageCache.ram else files

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, draw: Draw) -> tuple[Tensor, Tensor]:
        """Return an image, uint8 RGB [3, H, W], and its rows, as :meth:`write` does."""
        planes = np.empty((3, *self.shape(draw)), np.uint8)
        rows = self.write(draw, planes)
        return torch.from_numpy(planes), torch.from_numpy(rows)

    def shape(self, draw: Draw) -> Shape:
        """Return height and width of a training image."""
        return draw.shape or (self.imgsz, self.imgsz)

    def write(self, draw: Draw, planes: Image) -> NDArray[np.float32]:
        """Write a training image into ``planes``, uint8 RGB [3, H, W], and return its rows.

        Returns:
            float32 [n, 5]: class, or ``REGION`` for an ignore region, and cx, cy, w, h as fractions.
        """
        options = self.options
        rng = generator(self.seed, Purpose.IMAGE, draw.epoch, draw.index, draw.position)
        image, rows = self._scene(draw, rng)
        fliplr, flipud = rng.random(2) < (options.fliplr, options.flipud)
        image, rows = flip(image, rows, fliplr=bool(fliplr), flipud=bool(flipud))
        write_planes(image, random_gains(options, rng), planes)
        boxes = to_fractions(rows[:, 1:], self.shape(draw))
        return np.column_stack([rows[:, :1], boxes]).astype(np.float32)

    def _scene(self, draw: Draw, rng: np.random.Generator) -> tuple[Image, Floats]:
        """Return a single image on grey or a mosaic, possibly blended with a second mosaic."""
        is_mosaic, is_mixed = rng.random(2) < (self.options.mosaic, self.options.mixup)
        if draw.shape or draw.epoch >= self.epochs - self.options.close_mosaic or not is_mosaic:
            shape = self.shape(draw)
            matrix = random_matrix(self.options, rng, shape, shape)
            return compose(single(draw.index, shape), matrix, shape, self.samples, self.read)
        scene = self._mosaic(draw.index, rng)
        if not is_mixed:
            return scene
        part = float(rng.beta(MIXUP_BETA, MIXUP_BETA))
        return blend(scene, self._mosaic(int(rng.integers(len(self))), rng), part)

    def _mosaic(self, index: int, rng: np.random.Generator) -> tuple[Image, Floats]:
        """Return a mosaic of the sample and three random ones, in random order."""
        indices = rng.permutation([index, *rng.integers(len(self), size=3)])
        side = self.imgsz
        tiles = mosaic(indices.tolist(), side, rng)
        matrix = random_matrix(self.options, rng, (2 * side, 2 * side), (side, side))
        return compose(tiles, matrix, (side, side), self.samples, self.read)
