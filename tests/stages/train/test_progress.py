"""What is printed and kept of a training: rows of epochs, validation losses, figures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.data.dataset import Sample
from core.detections import Letterbox
from core.evaluation.coco import ground_truth
from core.evaluation.loop import EvaluatedImage
from core.evaluation.scores import score
from core.kinds.training import Trained
from core.kinds.training_progress import EpochResult, EpochScores
from core.labels import Labels
from stages.train.figures import FILE, Figures, read_figures
from stages.train.progress import heading, row, scalars
from stages.train.validation import MeanLosses, pixel_rows
from tests.support.fake_parts import detections
from tests.support.toys import FACTS

LOSSES = {"box": 0.0512, "obj": 0.0311, "cls": 0.0044}


def result(epoch: int = 0, *, best: bool = False, scores: bool = True, factor: float = 1.0) -> EpochResult:
    validation = {name: 2 * factor * value for name, value in LOSSES.items()}
    return EpochResult(
        epoch=epoch,
        losses={name: factor * value for name, value in LOSSES.items()},
        rates={"weights": 0.01},
        scores=EpochScores(0.7, 0.6, 0.568, 0.312, {0: 0.3}, validation) if scores else None,
        fitness=0.33 if scores else float("nan"),
        best=best,
        seconds=2.0,
        images=16,
        memory=10**9,
    )


def test_a_row_fits_a_terminal_and_stands_under_its_heading() -> None:
    for factor in (1.0, 100.0, 1e-3):
        head, line = heading(result()), row(result(99, best=True, factor=factor), 100)
        assert len(line) < 80
        assert line.endswith(" *")
        ends = [position for position in range(len(head)) if (head + " ")[position + 1] == " " != head[position]]
        assert all((line + " ")[end + 1] == " " and line[end] != " " for end in ends)
    assert row(result(0), 3).split() == (
        ["1/3", "0.0512", "0.0311", "0.0044", "0.1024", "0.0622", "0.0088", "0.700", "0.600", "0.568", "0.312"]
    )
    assert row(result(0, scores=False), 3).split()[4:] == ["-"] * 7


def test_validation_losses_are_among_the_figures_of_trackers() -> None:
    values = scalars(result())
    assert values["val/box_loss"] == pytest.approx(0.1024)
    assert list(values)[:6] == [f"{kind}/{name}_loss" for kind in ("train", "val") for name in LOSSES]
    assert not any(name.startswith("val/") for name in scalars(result(scores=False)))


def test_objects_lie_in_the_pixels_of_the_network() -> None:
    labels = Labels(np.array([2, 0]), np.array([[0.5, 0.25, 0.1, 0.2], [0.0, 1.0, 0.5, 0.5]]))
    labels = replace(labels, regions=np.array([[0.5, 0.5, 0.2, 0.4]] * 2), region_classes=np.array([0, 2]))
    found, regions = pixel_rows(labels, Letterbox(0.5, 10, 20, height=80, width=200), image=3)
    assert found.dtype == regions.dtype == np.float32
    np.testing.assert_allclose(found, [[3, 2, 60, 30, 10, 8], [3, 0, 10, 60, 50, 20]], rtol=1e-6)
    np.testing.assert_allclose(regions, [[3, 60, 40, 20, 16]], rtol=1e-6)  # of two classes, once


def test_losses_are_means_over_the_images() -> None:
    empty = Labels(np.zeros(0, np.int64), np.zeros((0, 4)))
    given = []

    def measure(outputs: Mapping[str, Any], objects: Any, regions: Any) -> dict[str, float]:
        given.append((objects.shape, regions.shape))
        return {"box": float(outputs["value"])}

    means = MeanLosses(measure, [empty] * 3)
    place = Letterbox(1.0, 0, 0, 32, 32)
    means.observe([0, 1], {"value": 1.0}, [place, place])
    means.observe([2], {"value": 4.0}, [place])
    assert means.values() == {"box": 2.0}
    assert given == [((0, 6), (0, 5))] * 2


def scores_of_one_class() -> Any:
    samples = [Sample(Path("1.png"), None)]
    labels = [Labels(np.array([1]), np.array([[0.5, 0.5, 0.5, 0.5]]))]
    seen = [EvaluatedImage(0, 100, 100, detections((25, 25, 75, 75, 0.9, 1)))]
    truth = ground_truth(samples, labels, seen, ("cat", "dog"))
    box = {"image_id": 1, "category_id": 1, "bbox": [25, 25, 50, 50], "score": 0.9}
    return score(truth, [box])


def test_figures_are_kept_from_epoch_to_epoch_and_end_in_a_table(tmp_path: Path) -> None:
    figures = read_figures(tmp_path)
    figures.add(1, scalars(result(0, best=True)), best=True)
    figures.add(2, scalars(result(1, factor=3)), best=False)
    figures.write(tmp_path)
    figures = read_figures(tmp_path)  # as a resumed training reads them
    values = figures.values()
    assert (values["epochs"], values["best_epoch"], values["ended"]) == (2, 1, "interrupted")
    assert values["val/box_loss"] == pytest.approx(0.1024)
    assert values["map50"] == 0.568
    figures.conclude(Trained(FACTS, 3, 1, {"fitness": 0.9}, "patience"), scores_of_one_class(), "val")
    values = figures.values()
    assert (values["epochs"], values["best_epoch"], values["ended"], values["fitness"]) == (3, 2, "patience", 0.9)
    assert values["map50"] == pytest.approx(1)
    assert values["classes"] == {
        "dog": {name: pytest.approx(1) for name in ("map50", "map50_95", "precision", "recall")}
    }
    lines = figures.table.splitlines()
    assert lines[0] == "best.safetensors (epoch 2 of 3) on split 'val':"
    assert lines[1].split() == ["Class", "Images", "Instances", "P", "R", "mAP50", "mAP50-95"]
    assert lines[3].split()[:3] == ["dog", "1", "1"]


def test_figures_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    figures = Figures()
    figures.add(1, scalars(result(scores=False)), best=False)
    figures.write(tmp_path)
    assert "fitness" not in json.loads((tmp_path / FILE).read_text(), parse_constant=pytest.fail)["last"]
    assert figures.values()["best_epoch"] == 0


def test_a_damaged_file_of_figures_begins_anew(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{")
    assert read_figures(tmp_path) == Figures()
