"""Training images: each is determined by its draw alone."""

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
from backends.yolov5.data.samples import Draw, LabelledImage, Picture, Purpose, Shape, generator
from backends.yolov5.training.options import TrainingOptions
from core.kinds.training import ImageCache

MIXUP_BETA = 32.0
"""Both pictures of a mixup are seen about equally."""


class TrainingImages(Dataset[tuple[Tensor, Tensor]]):
    """Augmented pictures by :class:`~backends.yolov5.data.samples.Draw`.

    Args:
        samples: Pictures and their objects.
        read: A file to uint8 BGR [H, W, 3], turned as its EXIF says.
        options: How images are augmented.
        imgsz: Side of the square network input.
        epochs: Of the whole training: the last ``close_mosaic`` of them have no mosaic.
        seed: Of the training.
        cache: ``ram`` decodes all images now and keeps them.
        beside: Processes of this machine that do the same.

    Raises:
        TrainingError: The pictures do not fit into the memory, or one cannot be read.
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
        beside: int = 1,
    ) -> None:
        self.samples, self.options = samples, options
        self.imgsz, self.epochs, self.seed = imgsz, epochs, seed
        files = FromFiles([sample.picture for sample in samples], read, imgsz)
        self.read: ImageReader = FromMemory(files, beside) if cache is ImageCache.ram else files

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, draw: Draw) -> tuple[Tensor, Tensor]:
        """A picture, uint8 RGB [3, H, W], and its targets, float32 [n, 5]: class, cx, cy, w, h as fractions of it."""
        planes = np.empty((3, *self.shape(draw)), np.uint8)
        targets = self.write(draw, planes)
        return torch.from_numpy(planes), torch.from_numpy(targets)

    def shape(self, draw: Draw) -> Shape:
        """Height and width of a picture."""
        return draw.shape or (self.imgsz, self.imgsz)

    def write(self, draw: Draw, planes: Picture) -> NDArray[np.float32]:
        """Write a picture into ``planes``, uint8 [3, H, W], and give its targets."""
        settings = self.options
        rng = generator(self.seed, Purpose.PICTURE, draw.epoch, draw.index, draw.position)
        picture, rows = self._scene(draw, rng)
        sideways, over = rng.random(2) < (settings.fliplr, settings.flipud)
        picture, rows = flip(picture, rows, sideways=bool(sideways), over=bool(over))
        write_planes(picture, random_gains(settings, rng), planes)
        boxes = to_fractions(rows[:, 1:], self.shape(draw))
        return np.column_stack([rows[:, :1], boxes]).astype(np.float32)

    def _scene(self, draw: Draw, rng: np.random.Generator) -> tuple[Picture, Floats]:
        """A picture on the border's grey, or a mosaic, perhaps mixed with another."""
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

    def _mosaic(self, index: int, rng: np.random.Generator) -> tuple[Picture, Floats]:
        """The sample and three random ones, in random order."""
        indices = rng.permutation([index, *rng.integers(len(self), size=3)])
        side = self.imgsz
        tiles = mosaic(indices.tolist(), side, rng)
        matrix = random_matrix(self.options, rng, (2 * side, 2 * side), (side, side))
        return compose(tiles, matrix, (side, side), self.samples, self.read)
