"""Optimisation profiles from ``build.batch``, ``build.imgsz`` and the axes of the model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from backends.trt.settings import SizeProfile
from backends.trt.settings import read_profile as profile_of
from core.artifacts import GraftedModel
from core.errors import HooklineError
from core.model_facts import DECODED, InputContract, Precision
from core.options.sizes import read_batch, read_size
from tests.support.heads_tools import facts

ALL = ("batch", "height", "width")


def model(*dynamic: str, batch: int = 2, height: int = 64, width: int = 96) -> GraftedModel:
    return GraftedModel(
        path=Path("best.onnx"),
        facts=facts(),
        contract=InputContract(batch, height, width, dynamic=dynamic),
        layout=DECODED,
        precision=Precision.fp32,
        runtime="tensorrt",
        graft="yolo_layer",
        score_threshold=0.25,
    )


def read_profile(
    given: GraftedModel, batch: object = None, imgsz: object = None
) -> tuple[SizeProfile | None, InputContract]:
    """Return the profile for sizes from the command line, read as the stage does."""
    stride = given.facts.max_stride
    return profile_of(
        given,
        None if batch is None else read_batch(batch),
        None if imgsz is None else read_size(imgsz, stride),
    )


def test_a_static_model_has_none():
    given = model()
    assert read_profile(given) == (None, given.contract)
    assert read_profile(given, batch=2, imgsz=[64, 96]) == (None, given.contract)


@pytest.mark.parametrize(
    ("dynamic", "batch", "imgsz", "shapes"),
    [
        (ALL, None, None, [(2, 3, 64, 96)] * 3),
        (ALL, 4, 128, [(4, 3, 128, 128)] * 3),
        (ALL, 4, [64, 128], [(4, 3, 64, 128)] * 3),
        (("batch",), {"min": 1, "opt": 8, "max": 16}, None, [(1, 3, 64, 96), (8, 3, 64, 96), (16, 3, 64, 96)]),
        (
            ("height", "width"),
            None,
            {"min": 32, "opt": [64, 96], "max": 128},
            [(2, 3, 32, 32), (2, 3, 64, 96), (2, 3, 128, 128)],
        ),
        (
            ALL,
            {"min": 1, "opt": 1, "max": 4},
            {"min": [32, 64], "opt": [64, 64], "max": [64, 128]},
            [(1, 3, 32, 64), (1, 3, 64, 64), (4, 3, 64, 128)],
        ),
    ],
)
def test_profiles(dynamic, batch, imgsz, shapes):
    profile, contract = read_profile(model(*dynamic), batch, imgsz)
    assert profile == SizeProfile("images", *shapes)
    assert (contract.batch, 3, contract.height, contract.width) == shapes[1]


def test_the_contract_says_what_the_engine_leaves_open():
    _, contract = read_profile(model(*ALL), {"min": 1, "opt": 2, "max": 4}, {"min": [32, 64], "opt": 64, "max": 64})
    assert contract.dynamic == ("batch", "height")
    _, closed = read_profile(model(*ALL), 4, 64)
    assert closed == replace(model().contract, batch=4, height=64, width=64)


@pytest.mark.parametrize(
    ("dynamic", "options", "words"),
    [
        (
            (),
            {"batch": {"min": 1, "opt": 2, "max": 4}},
            (
                "build.batch requests a batch of 1 to 4, but 'best.onnx' has a static batch of 2;"
                " set export.dynamic=[batch], and export the model again"
            ),
        ),
        (
            (),
            {"batch": 8},
            "batch of 8, ... a static batch of 2; set export.batch=8, or export.dynamic=[batch], and export",
        ),
        (("batch",), {"imgsz": 64}, "a width of 64, ... set imgsz=64, or export.dynamic=[batch,height,width]"),
        (("height", "width"), {"batch": 1}, "export.dynamic=[height,width,batch], and export"),
        (ALL, {"batch": {"min": 4, "opt": 2, "max": 8}}, "build.batch={min: 4, opt: 2, max: 8} is not in order"),
        (ALL, {"imgsz": {"min": 64, "opt": 32, "max": 96}}, "build.imgsz={min: 64, opt: 32, max: 96} is not in order"),
        (ALL, {"imgsz": {"min": [64, 32], "opt": [32, 64], "max": 96}}, "is not in order; it must be min <= opt <="),
        (ALL, {"imgsz": 100}, "build.imgsz=100: ... 32"),
        (ALL, {"batch": 0}, "build.batch=0: 0 is not a number of images"),
        (ALL, {"batch": {"min": 1, "max": 4}}, "build.batch={min: 1, max: 4}: its keys are min, max; give min, opt"),
    ],
)
def test_refusals(dynamic, options, words):
    with pytest.raises(HooklineError) as caught:
        read_profile(model(*dynamic), **options)
    said = str(caught.value)
    assert "\n" not in said
    assert all(part in said for part in words.split(" ... ")), said


def test_a_profile_in_words():
    assert str(SizeProfile("images", (1, 3, 32, 64), (2, 3, 32, 64), (4, 3, 64, 64))) == "1x3x32x64 2x3x32x64 4x3x64x64"
