from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.artifacts import OnnxModel
from core.errors import HooklineError
from core.model_facts import InputContract, ModelFacts
from core.options.sizes import Span, fitted_size, network_size, read_batch, read_size, size_to_use
from tests.support.fake_parts import fake_engine


@pytest.mark.parametrize(("imgsz", "size"), [(640, (640, 640)), ([384], (384, 384)), ([384, 640], (384, 640))])
def test_one_number_or_two(imgsz: Any, size: tuple[int, int]) -> None:
    assert network_size(imgsz, 32) == size


@pytest.mark.parametrize(
    ("imgsz", "message"),
    [
        (630, "imgsz=630 is not a multiple of the model's largest stride 32; nearest: 608 or 640"),
        ([640, 10], "imgsz=10 is not a multiple .*; nearest: 32"),
        ([], "is not an input size"),
        ([1, 2, 3], "is not an input size"),
        ("640", "is not an input size"),
        (0, "is not an input size"),
        (65568, r"65568 is not an input size; give one number or \[height,width\] in pixels: integers, 1 to 65536"),
        (640.5, "is not an input size"),
        (True, "is not an input size"),
        ({"a": 1}, "is not an input size"),
        ([640, 10**5000], "is not an input size"),
    ],
)
def test_anything_else_is_refused(imgsz: Any, message: str) -> None:
    with pytest.raises(HooklineError, match=message):
        network_size(imgsz, 32)


def test_no_size_is_640_where_the_model_has_none() -> None:
    assert size_to_use(None, 64) == (640, 640)
    assert size_to_use([64, 96], 32) == (64, 96)


def onnx(*dynamic: str) -> OnnxModel:
    facts = ModelFacts("fake", "fake", ("a",), (8, 16, 32))
    contract = InputContract(1, 64, 96, dynamic)
    return OnnxModel(path=Path("x.onnx"), facts=facts, contract=contract, layout="heads")


@pytest.mark.parametrize("imgsz", [None, [64, 96]])
@pytest.mark.parametrize("dynamic", [(), ("batch",), ("height", "width")])
def test_a_model_of_the_size_stays_as_it_is(imgsz: Any, dynamic: tuple[str, ...]) -> None:
    model = onnx(*dynamic)
    assert fitted_size(model, imgsz) == model


def test_an_open_size_becomes_the_one_asked_for() -> None:
    contract = fitted_size(onnx("batch", "height", "width"), 320).contract
    assert (contract.height, contract.width, contract.dynamic) == (320, 320, ("batch", "height", "width"))
    assert fitted_size(onnx("width"), [64, 320]).contract.width == 320


@pytest.mark.parametrize("dynamic", [(), ("batch",), ("height",), ("width",)])
def test_another_size_than_that_of_the_model_is_refused(dynamic: tuple[str, ...]) -> None:
    message = r"imgsz=\[320,640\], but 'x\.onnx' was exported for 64x96; omit imgsz, or export it again"
    with pytest.raises(HooklineError, match=message):
        fitted_size(onnx(*dynamic), [320, 640])


def test_an_engine_of_another_size_is_built_again(tmp_path: Path) -> None:
    with pytest.raises(HooklineError, match=r"'fake\.engine' was built for 32x32; .* build it again with imgsz=640"):
        fitted_size(fake_engine(tmp_path), 640)


def test_a_size_that_an_open_model_cannot_take_is_refused() -> None:
    with pytest.raises(HooklineError, match="imgsz=100 is not a multiple"):
        fitted_size(onnx("height", "width"), 100)


def test_one_number_and_three():
    assert read_batch(4) == Span(4, 4, 4)
    assert read_batch({"min": 1, "opt": 8, "max": 16}) == Span(1, 8, 16)
    assert read_size(320, 32) == Span((320, 320), (320, 320), (320, 320))
    wide = {"min": 320, "opt": [384, 640], "max": 640}
    assert read_size(wide, 32) == Span((320, 320), (384, 640), (640, 640))
    assert (read_batch(2).fixed, read_size(wide).fixed) == (True, False)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, r"build\.batch=0: 0 is not a number of images; possible: integers, 1 to 65536"),
        (True, "is not a number of images"),
        ("8", "is not a number of images"),
        ({"min": 1, "max": 8}, r"build\.batch=\{min: 1, max: 8\}: its keys are min, max; give min, opt and max"),
        ({}, "its keys are none"),
        ({"min": 8, "opt": 4, "max": 16}, r"\{min: 8, opt: 4, max: 16\} is not in order; it must be min <= opt <= max"),
        ({"min": 1, "opt": 32, "max": 16}, "is not in order"),
    ],
)
def test_no_batch(value, expected):
    with pytest.raises(HooklineError, match=expected):
        read_batch(value)


def test_no_size():
    with pytest.raises(HooklineError, match=r"build\.imgsz=330: .*stride 32; nearest: 320 or 352"):
        read_size(330, 32)
    with pytest.raises(HooklineError, match="is not in order"):
        read_size({"min": [320, 640], "opt": [640, 320], "max": 640}, 32)  # wider than opt
