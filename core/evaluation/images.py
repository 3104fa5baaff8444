"""Images and charts of an evaluation: sample pages, curves and the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Sample
from core.detections import DEFAULT_CONF, DEFAULT_IOU, Detections
from core.drawing.boxes import Painter
from core.drawing.regions import draw_regions
from core.drawing.tiles import Tiles, label_boxes, write_jpeg
from core.errors import counted
from core.evaluation.charts import draw_confusion, draw_curves
from core.evaluation.confusion import confusion_matrix
from core.evaluation.curves import Curves
from core.evaluation.loop import EvaluatedImage
from core.labels import Labels
from core.media.choices import AUTO_DEPTH, Depth
from core.media.picture import UnreadableError, read_picture

MAX_IMAGES = 16
FLOATS = 4
"""A pixel of four floats of 64 bits has this times the bytes that the limit of pixels allows for."""
PER_PAGE, COLUMNS = 8, 2
"""Images per page and per row; each is shown twice, with labels and with predictions."""
TILES = Tiles(side=400, gap=10, caption=14)


def draw_pages(
    samples: Sequence[Sample],
    labels: Sequence[Labels],
    seen: Sequence[EvaluatedImage],
    names: Sequence[str],
    folder: Path,
    *,
    depth: Depth = AUTO_DEPTH,
) -> list[Path]:
    """Write ``val_predictions_1.jpg`` and so on: up to 16 images at equal intervals in ``seen``.

    Boxes with a score of at least :data:`core.detections.DEFAULT_CONF` are drawn. Ignore regions are striped.

    Args:
        samples, labels: All samples of the split and their labels.
        seen: The evaluated images.
        names: Class names.
        folder: Output folder.
        depth: The value that becomes 255 in images with more than 8 bits per channel.
    """
    count = min(MAX_IMAGES, len(seen))
    picks = [round(index * (len(seen) - 1) / max(count - 1, 1)) for index in range(count)]
    tiles = [tile for pick in picks if (tile := _pair(samples, labels, seen[pick], names, depth)) is not None]
    paths = []
    for number, start in enumerate(range(0, len(tiles), PER_PAGE), start=1):
        path = folder / f"val_predictions_{number}.jpg"
        write_jpeg(TILES.page(tiles[start : start + PER_PAGE], COLUMNS), path)
        paths.append(path)
    return paths


def _pair(
    samples: Sequence[Sample], labels: Sequence[Labels], seen: EvaluatedImage, names: Sequence[str], depth: Depth
) -> NDArray[np.uint8] | None:
    """Return an image with its labels and with its predictions, side by side; None if it can no longer be read."""
    path = samples[seen.index].image
    try:
        image = read_picture(path, FLOATS * seen.height * seen.width, depth)
    except UnreadableError:
        return None
    objects = labels[seen.index]
    given, found = label_boxes(objects, image), _kept(seen.found)
    image, legend = draw_regions(image, objects), " (striped: ignored)" if len(objects.regions) else ""
    left = TILES.tile(image, given, Painter(names, scores=False), f"labels{legend}: {path.name}")
    right = TILES.tile(
        image, found, Painter(names), f"predictions: {len(found)}, confidence of {DEFAULT_CONF:g} or more"
    )
    return np.hstack([left, right])


def _kept(found: Detections) -> Detections:
    kept = found.scores >= DEFAULT_CONF
    return Detections(found.boxes[kept], found.scores[kept], found.classes[kept])


def draw_evaluation(
    folder: Path,
    *,
    curves: Curves,
    samples: Sequence[Sample],
    labels: Sequence[Labels],
    seen: Sequence[EvaluatedImage],
    names: Sequence[str],
    only: Sequence[int] = (),
    depth: Depth = AUTO_DEPTH,
    subject: Sequence[str] = (),
) -> list[Path]:
    """Write PR_curve, P_curve, R_curve, F1_curve and confusion_matrix as PNG, and val_predictions pages as JPEG.

    Args:
        folder: Output folder.
        curves: Curves of the scores (:attr:`core.evaluation.scores.Scores.curves`).
        samples, labels: All samples of the split and their labels.
        seen: The evaluated images (:attr:`core.evaluation.loop.Evaluation.images`).
        names: Class names.
        only: Count only these class ids; empty for all.
        depth: The value that becomes 255 in images with more than 8 bits per channel.
        subject: Model and split, for the header of each chart.

    Returns:
        The files, in this order.
    """
    chosen = sorted(only) or list(range(len(names)))
    matrix = confusion_matrix(labels, seen, len(names), only=only)
    matrix = matrix[[*chosen, len(names)]][:, [*chosen, len(names)]]
    facts = [*subject, counted(len(seen), "image")]
    thresholds = [f"confidence ≥ {DEFAULT_CONF:g}", f"IoU > {DEFAULT_IOU:g}"]
    paths = draw_curves(curves, folder, facts)
    chosen_names = [names[index] for index in chosen]
    target = folder / "confusion_matrix.png"
    paths.append(draw_confusion(matrix, chosen, chosen_names, target, [*facts, *thresholds]))
    return [*paths, *draw_pages(samples, labels, seen, names, folder, depth=depth)]
