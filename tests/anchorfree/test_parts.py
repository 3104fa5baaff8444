"""Network, loss, training, checkpoints, decode and graft of hookline-anchorfree, each by itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hookline_anchorfree import checkpoint, exporting, plugin
from hookline_anchorfree.cells import flattened
from hookline_anchorfree.graft import AnchorFreeGraft
from hookline_anchorfree.head import NAMES as LEVELS
from hookline_anchorfree.head import AnchorFreeHead
from hookline_anchorfree.loss import DetectionLoss, assign, objects_of, overlaps
from hookline_anchorfree.network import STRIDES, Activated
from hookline_anchorfree.trainer import Trainer
from safetensors.torch import save_file

from core.artifacts import QuantizedModel
from core.detections import Filter
from core.errors import HooklineError
from core.kinds.head import BOXES, CLASSES, NUM, SCORES
from core.kinds.training import BEST, STATE
from core.model_facts import InputContract, ModelFacts, Precision
from tests.anchorfree.tools import NAMES, Listener, job, network, weights

FACTS = ModelFacts(family="anchorfree", variant="anchorfree_n", names=NAMES, strides=STRIDES)
HEAD = AnchorFreeHead(FACTS)

pytestmark = pytest.mark.usefixtures("one_thread")


# --- decode -------------------------------------------------------------------------------------


def activated(batch: int = 2, height: int = 64, width: int = 96) -> dict[str, np.ndarray]:
    images = 255 * torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        return {name: level.numpy() for name, level in zip(LEVELS, Activated(network())(images), strict=True)}


def test_a_box_by_the_formula() -> None:
    outputs = {name: np.zeros((1, 8, 64 // s, 96 // s), np.float32) for name, s in zip(LEVELS, STRIDES, strict=True)}
    outputs["level16"][0, :, 2, 5] = [0.25, 0.5, np.log(2), np.log(3), 0.8, 0.1, 0.5, 0.25]
    found = HEAD.candidates(outputs, 0, Filter())
    centre, half = np.array([5.25, 2.5]) * 16, np.array([16, 24])
    np.testing.assert_allclose(found.boxes, [np.concatenate([centre - half, centre + half])], rtol=1e-6)
    np.testing.assert_allclose(found.scores, [0.4], rtol=1e-6)
    assert found.classes.tolist() == [1]
    assert len(HEAD.candidates(outputs, 0, Filter(score_threshold=0.9)).scores) == 0
    every = HEAD.candidates(outputs, 0, Filter(conf=0.19, multi_label=True))
    assert every.classes.tolist() == [1, 2]
    np.testing.assert_allclose(every.scores, [0.4, 0.2], rtol=1e-6)


def test_the_training_decodes_as_the_head_does() -> None:
    outputs = activated()
    predicted, cells = flattened([torch.from_numpy(outputs[name]) for name in LEVELS])
    boxes = cells.boxes(predicted)[1].numpy()
    found = HEAD.candidates(outputs, 1, Filter(conf=0.0))
    assert len(found.scores) == len(boxes)  # in the same order: level, y, x
    np.testing.assert_allclose(
        found.boxes, np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1), rtol=1e-4
    )


# --- graft --------------------------------------------------------------------------------------


def exported(folder: Path, contract: InputContract, opset: int = 17) -> QuantizedModel:
    path = folder / "heads.onnx"
    exporting.export(network().fuse(), path, contract, opset)
    return QuantizedModel(
        path=path, facts=FACTS, contract=contract, layout="heads", precision=Precision.fp32, runtime="onnxruntime"
    )


def run(path: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return dict(zip([item.name for item in session.get_outputs()], session.run(None, {"images": images}), strict=True))


@pytest.mark.parametrize(
    ("dynamic", "opset"), [((), 13), ((), 17), (("batch",), 18), (("batch", "height", "width"), 20)]
)
def test_the_graft_gives_what_the_head_gives(tmp_path: Path, dynamic: tuple[str, ...], opset: int) -> None:
    contract = plugin.PREPROCESSING.contract(batch=2, height=64, width=96, dynamic=dynamic)
    model = exported(tmp_path, contract, opset)
    target = tmp_path / "decoded.onnx"
    assert AnchorFreeGraft().append(model, HEAD, target, score_threshold=0.3) == ()
    size = (3, 3, 96, 160) if "height" in dynamic else (2, 3, 64, 96)
    images = np.random.default_rng(0).uniform(0, 255, size).astype(np.float32)
    heads, found = run(model.path, images), run(target, images)
    assert list(found) == [NUM, BOXES, SCORES, CLASSES]
    for index in range(len(images)):
        expected = HEAD.candidates(heads, index, Filter(conf=0.0, score_threshold=0.3))
        valid = found[SCORES][index] > 0
        assert found[NUM][index] == valid.sum() == len(expected.scores) > 30
        np.testing.assert_allclose(found[BOXES][index][valid], expected.boxes, rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(found[SCORES][index][valid], expected.scores, rtol=1e-5)
        np.testing.assert_array_equal(found[CLASSES][index][valid], expected.classes)
        assert not found[BOXES][index][~valid].any()


def test_the_graft_has_standard_operators_only(tmp_path: Path) -> None:
    contract = plugin.PREPROCESSING.contract(batch=1, height=64, width=96)
    AnchorFreeGraft().append(exported(tmp_path, contract), HEAD, tmp_path / "d.onnx", score_threshold=0.25)
    model = onnx.load(tmp_path / "d.onnx")
    assert {node.domain for node in model.graph.node} == {""}
    assert not model.functions
    shapes = {item.name: [dim.dim_value for dim in item.type.tensor_type.shape.dim] for item in model.graph.output}
    assert shapes == {NUM: [1, 1], BOXES: [1, 126, 4], SCORES: [1, 126], CLASSES: [1, 126]}
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    assert [list(o.type.tensor_type.shape.dim) for o in inferred.graph.output]


def test_the_graft_refuses_other_outputs(tmp_path: Path) -> None:
    contract = plugin.PREPROCESSING.contract(batch=1, height=64, width=96)
    model = exported(tmp_path, contract)
    AnchorFreeGraft().append(model, HEAD, tmp_path / "d.onnx", score_threshold=0.25)
    with pytest.raises(HooklineError, match=r"'d\.onnx' does not end in level8, level16, level32"):
        AnchorFreeGraft().append(
            replace(model, path=tmp_path / "d.onnx"), HEAD, tmp_path / "e.onnx", score_threshold=0.25
        )


# --- loss ---------------------------------------------------------------------------------------


def logits(batch: int = 1, side: int = 64) -> list[torch.Tensor]:
    return [torch.zeros(batch, 8, side // stride, side // stride) for stride in STRIDES]


def assigned(rows: list[list[float]], levels: list[torch.Tensor], radius: float = 2.5) -> Any:
    predicted, cells = flattened(levels)
    objects = objects_of(torch.tensor(rows).reshape(-1, 6), len(levels[0]))
    return assign(predicted, cells.boxes(predicted), cells, objects, radius), cells


def test_cells_around_the_centre_learn_an_object() -> None:
    assignment, cells = assigned([[0, 1, 30, 34, 24, 20]], logits())
    chosen = assignment.chosen[0]
    assert 1 <= chosen.sum() <= 10
    away = (cells.centres[chosen] - torch.tensor([30.0, 34.0])).abs() / cells.strides[chosen]
    assert (away < 2.5).all()


def test_an_object_smaller_than_a_cell_is_learnt_by_one() -> None:
    assignment, _ = assigned([[0, 0, 31.9, 8.1, 2, 2]], logits())
    assert assignment.chosen.sum() == 1


def test_each_image_has_its_own_objects_and_an_empty_one_none() -> None:
    assignment, _ = assigned([[2, 0, 20, 20, 16, 16], [0, 1, 50, 50, 20, 20], [0, 2, 10, 10, 16, 16]], logits(3))
    assert assignment.chosen.any(1).tolist() == [True, False, True]
    assert set(assignment.target[0][assignment.chosen[0]].tolist()) == {0, 1}


def test_a_cell_that_two_objects_want_learns_the_cheaper_one() -> None:
    """Both objects are equal except for their class, and the prediction has that of the second."""
    levels = logits()
    levels[2][0, 5 + 1] = 8.0
    levels[2][0, 4] = 8.0
    assignment, _ = assigned([[0, 0, 32, 32, 40, 40], [0, 1, 32, 32, 40, 40]], levels)
    coarse = assignment.target[0][-4:][assignment.chosen[0][-4:]]
    assert len(coarse)
    assert set(coarse.tolist()) == {1}


def test_overlaps() -> None:
    one = torch.tensor([10.0, 10.0, 4.0, 4.0])
    others = torch.tensor([[10.0, 10.0, 4.0, 4.0], [12.0, 10.0, 4.0, 4.0], [20.0, 10.0, 4.0, 4.0]])
    np.testing.assert_allclose(overlaps(one, others), [1, 1 / 3, 0], atol=1e-6)


def test_the_loss_of_no_object_is_that_of_the_objectness() -> None:
    loss, parts = DetectionLoss(2.5, 5.0)(logits(), objects_of(torch.zeros(0, 6), 1))
    assert (parts["box"], parts["cls"]) == (0, 0)
    assert float(loss) == pytest.approx(parts["obj"]) == pytest.approx(84 * np.log(2), rel=1e-5)


def test_the_weight_of_the_box_term() -> None:
    objects = objects_of(torch.tensor([[0.0, 1, 30, 34, 24, 20]]), 1)
    light, heavy = (DetectionLoss(2.5, weight)(logits(), objects)[1] for weight in (1.0, 5.0))
    assert heavy["box"] == pytest.approx(5 * light["box"])
    assert heavy["obj"] == light["obj"]


# --- training -----------------------------------------------------------------------------------


def test_a_training_lowers_the_loss(tmp_path: Path) -> None:
    watcher = Listener()
    trained = Trainer(job(tmp_path, watcher, epochs=25), plugin.PREPROCESSING).run()
    first, last = (sum(watcher.epochs[index].losses.values()) for index in (0, -1))
    assert last < 0.7 * first
    assert (trained.epochs, trained.ended) == (25, "epochs")
    assert checkpoint.load(tmp_path / BEST).facts == FACTS


def test_an_interrupted_training_continues_as_if_nothing_had_happened(tmp_path: Path) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    for folder in (whole, part):
        folder.mkdir()
    Trainer(job(whole, Listener()), plugin.PREPROCESSING).run()
    with pytest.raises(KeyboardInterrupt):
        Trainer(job(part, Listener(stop_after=2)), plugin.PREPROCESSING).run()
    assert (part / STATE).is_file()
    watcher = Listener()
    Trainer(job(part, watcher, resume=True), plugin.PREPROCESSING).run()
    assert [epoch.epoch for epoch in watcher.epochs] == [2]
    states = [checkpoint.load(folder / "last.safetensors").state for folder in (whole, part)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_patience_ends_a_training(tmp_path: Path) -> None:
    trained = Trainer(job(tmp_path, Listener(), epochs=9, patience=2), plugin.PREPROCESSING).run()
    assert (trained.epochs, trained.best_epoch, trained.ended) == (3, 0, "patience")


def test_a_loss_that_is_not_finite_ends_the_run(tmp_path: Path) -> None:
    given = job(tmp_path, Listener(), epochs=9)
    given.options.lr0 = 1e12
    with pytest.raises(HooklineError, match=r"the loss is .* lower train\.lr0"):
        Trainer(given, plugin.PREPROCESSING).run()


def test_weights_to_start_from(tmp_path: Path) -> None:
    start = tmp_path / "start.safetensors"
    checkpoint.save(weights(2), start)
    watcher = Listener()
    given = job(tmp_path, watcher, start=plugin.load_backend().read(start, start))
    trainer = Trainer(given, plugin.PREPROCESSING)
    assert torch.equal(trainer._network.state_dict()["stem.conv.weight"], weights(2).state["stem.conv.weight"])
    assert "tensors of the start weights are taken" in watcher.notes[0]


# --- checkpoints --------------------------------------------------------------------------------


def test_a_checkpoint_survives(tmp_path: Path) -> None:
    given = weights()
    checkpoint.save(given, tmp_path / "x.safetensors")
    found = checkpoint.load(tmp_path / "x.safetensors")
    assert found.facts == given.facts == FACTS
    assert all(torch.equal(found.state[name], tensor) for name, tensor in given.state.items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "not a version 1 checkpoint of anchorfree"),
        ({"names": []}, "metadata of .* is damaged"),
        ({"names": ["a", 1]}, "metadata of .* is damaged"),
        ({"widths": [8, 16, 32, 48]}, "metadata of .* is damaged"),
        ({"widths": [8, 16, 32, 48, 10**9]}, "metadata of .* is damaged"),
        ({"widths": [8, 16, 32, 48, 96]}, "tensors of .* are not those of its network"),
        ({"variant": None}, "metadata of .* is damaged"),
    ],
)
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = tmp_path / "x.safetensors"
    content = {"version": 1, "variant": "x", "names": NAMES, "widths": weights().shape.widths} | change
    save_file(dict(weights().state), path, {"anchorfree": json.dumps(content)})
    with pytest.raises(HooklineError, match=message):
        checkpoint.load(path)


def test_a_checkpoint_with_nan_is_refused(tmp_path: Path) -> None:
    given = weights()
    broken = given.state | {"stem.norm.bias": torch.full((8,), torch.nan)}
    checkpoint.save(replace(given, state=broken), tmp_path / "x.safetensors")
    with pytest.raises(HooklineError, match="contains numbers that are not finite"):
        checkpoint.load(tmp_path / "x.safetensors")


@pytest.mark.parametrize("content", [b"", b"x" * 100, None])
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(HooklineError, match="is not a checkpoint of anchorfree"):
        checkpoint.load(tmp_path / "x.safetensors")
