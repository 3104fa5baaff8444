"""Our checkpoint format: written atomically, and distinguished from other safetensors files."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from backends.yolov5 import checkpoint
from backends.yolov5.checkpoint import Weights, load, save
from backends.yolov5.errors import CheckpointError
from tests.support.disk_tools import umask
from tests.support.yolov5_tools import tiny_weights


@pytest.mark.parametrize("levels", [3, 4])
def test_what_is_written_is_read(tmp_path: Path, levels: int) -> None:
    weights = tiny_weights(nc=2, levels=levels)
    save(weights, tmp_path / "x.safetensors")
    found = load(tmp_path / "x.safetensors")
    assert (found.config, found.variant, found.names) == (weights.config, "tiny", ("class0", "class1"))
    assert found.state.keys() == weights.state.keys()
    assert all(torch.equal(found.state[name], value) for name, value in weights.state.items())
    assert [file.name for file in tmp_path.iterdir()] == ["x.safetensors"]


def test_the_same_weights_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save(tiny_weights(), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_mode_follows_the_umask(tmp_path: Path, mask: int, mode: int) -> None:
    with umask(mask):
        save(tiny_weights(), tmp_path / "x.safetensors")
    assert (tmp_path / "x.safetensors").stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["stem.conv.weight", "stem.bn.running_var"])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, name: str, value: float) -> None:
    weights = tiny_weights()
    changed = weights.state[name].clone()
    changed.view(-1)[-1] = value
    save(replace(weights, state={**weights.state, name: changed}), tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match=rf"'{name}' in '.*x\.safetensors' contains NaN or infinity"):
        load(tmp_path / "x.safetensors")


@pytest.mark.parametrize("side", ["NaN", "1e999", "0", "-3", "1" + "0" * 400])
def test_anchors_without_a_size_are_refused(tmp_path: Path, side: str) -> None:
    save(tiny_weights(), tmp_path / "x.safetensors")
    with safe_open(tmp_path / "x.safetensors", framework="pt") as file:
        text = file.metadata()["hookline"]
    before, after = text.split('"model": ')
    edited = before + '"model": ' + re.sub(r'("anchors": \[\[)[0-9.]+', rf"\g<1>{side}", after)
    save_file(load_file(tmp_path / "x.safetensors"), tmp_path / "y.safetensors", {"hookline": edited})
    with pytest.raises(CheckpointError, match=r"has anchors without a size|metadata of '.*' is damaged"):
        load(tmp_path / "y.safetensors")


def test_whole_numbers_as_anchors_give_the_same_bytes(tmp_path: Path) -> None:
    weights = tiny_weights()
    whole = tuple(tuple(round(side) for side in level) for level in weights.config.anchors)
    save(replace(weights, config=replace(weights.config, anchors=whole)), tmp_path / "a")
    floats = tuple(tuple(map(float, level)) for level in whole)
    save(replace(weights, config=replace(weights.config, anchors=floats)), tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tiny_weights(), tmp_path / "x.safetensors")
    before = (tmp_path / "x.safetensors").read_bytes()

    def full(*_: object) -> None:
        (tmp_path / "left").touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(OSError, match="No space left"):
        save(tiny_weights(nc=5), tmp_path / "x.safetensors")
    assert (tmp_path / "x.safetensors").read_bytes() == before


def test_networks_of_one_file_share_nothing() -> None:
    weights = tiny_weights()
    one, two = weights.network(), weights.network()
    with torch.no_grad():
        one.stem.conv.weight.zero_()
    assert two.stem.conv.weight.abs().sum() > 0
    assert weights.state["stem.conv.weight"].abs().sum() > 0
    assert one.stem.conv.weight.requires_grad
    assert not one.training


def test_half_precision_becomes_single(tmp_path: Path) -> None:
    weights = tiny_weights()
    half = Weights(weights.config, "x", weights.names, {name: value.half() for name, value in weights.state.items()})
    save(half, tmp_path / "x.safetensors")
    assert load(tmp_path / "x.safetensors").state["stem.conv.weight"].dtype is torch.float16
    assert load(tmp_path / "x.safetensors").network().stem.conv.weight.dtype is torch.float32


def _edit(path: Path, change: Any) -> None:
    """Write the file again with its metadata changed."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        content = json.loads(file.metadata()["hookline"])
    change(content)
    save_file(load_file(path), path, {"hookline": json.dumps(content)})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda content: content.update(format=3), "has format 3, but this version reads up to 2"),
        (lambda content: content["facts"].update(family="yolox"), "of the family 'yolox'"),
        (lambda content: content["facts"].update(names=["a"]), "names 1 class of 3"),
        (lambda content: content.pop("model"), "metadata of .* is damaged"),
        (lambda content: content["model"].update(channels="x"), "metadata of .* is damaged"),
    ],
)
def test_other_metadata(tmp_path: Path, change: Any, expected: str) -> None:
    save(tiny_weights(), tmp_path / "x.safetensors")
    _edit(tmp_path / "x.safetensors", change)
    with pytest.raises(CheckpointError, match=expected):
        load(tmp_path / "x.safetensors")


def test_a_checkpoint_of_format_1(tmp_path: Path) -> None:
    """It has the anchors among the facts."""
    save(tiny_weights(), tmp_path / "x.safetensors")
    expected = load(tmp_path / "x.safetensors")

    def as_first(content: Any) -> None:
        content["format"] = 1
        content["facts"]["anchors"] = content["facts"].pop("head")["anchors"]

    _edit(tmp_path / "x.safetensors", as_first)
    found = load(tmp_path / "x.safetensors")
    assert (found.config, found.variant, found.names) == (expected.config, expected.variant, expected.names)


def test_weights_of_another_shape(tmp_path: Path) -> None:
    save(tiny_weights(), tmp_path / "x.safetensors")
    _edit(tmp_path / "x.safetensors", lambda content: content["model"].update(repeats=[1, 2, 3, 2]))
    with pytest.raises(CheckpointError, match=r"'stages\.3\.block\.blocks\.1.*' has shape nothing, expected \("):
        load(tmp_path / "x.safetensors").network()


def test_foreign_safetensors(tmp_path: Path) -> None:
    save_file({"a": torch.ones(1)}, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match="without hookline's metadata"):
        load(tmp_path / "x.safetensors")


@pytest.mark.parametrize("keep", [0, 4, 100, 100_000])
def test_truncated(tmp_path: Path, keep: int) -> None:
    save(tiny_weights(), tmp_path / "whole")
    (tmp_path / "x.safetensors").write_bytes((tmp_path / "whole").read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="damaged or not a safetensors file"):
        load(tmp_path / "x.safetensors")


def test_not_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        load(tmp_path / "x.safetensors")
