"""``build.int8=calibrator``: the chain that it plans, and the pictures that the runtime gets."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from backends.cv.plugin import hookline_processors
from core.artifacts import CalibrationTable, Engine, GraftedModel, InputContract, Int8Route, OnnxModel, Precision
from core.calibration_pictures import CalibrationFeed
from core.context import RunContext
from core.errors import HooklineError
from core.media.limits import MAX_PIXELS
from core.parts import Availability, Runtime
from stages.build import BuildConfig, Method, build, fingerprint
from stages.quantize import QuantizeConfig, quantize, select
from tests.fake_parts import fake_engine
from tests.heads_tools import grafted, write_heads
from tests.stage_tools import make_context


@dataclass
class Calibrating:
    """A runtime that keeps the batches it is fed with."""

    fed: list[np.ndarray] = field(default_factory=list)
    feeds: list[CalibrationFeed | None] = field(default_factory=list)
    precisions: list[Precision] = field(default_factory=list)

    def machine(self, device: str = "auto") -> dict[str, str]:
        return {"gpu": device}

    def quantize(self, model: OnnxModel, table: Any, target: Path, *, precision: Precision) -> None:
        assert table is None
        self.precisions.append(precision)
        target.write_bytes(model.path.read_bytes())

    def build(
        self, model: GraftedModel, config: Any, target: Path, context: RunContext, calibration: Any = None
    ) -> Engine:
        self.feeds.append(calibration)
        if calibration is not None:
            self.fed += calibration.batches(InputContract(2, 64, 96))
        target.write_bytes(b"plan")
        return replace(fake_engine(target.parent), path=target, notes=model.notes)


@pytest.fixture
def runtime() -> Calibrating:
    return Calibrating()


@pytest.fixture
def context(tmp_path, runtime) -> RunContext:
    part = Runtime(
        name="fake",
        summary="for tests",
        load=lambda _: runtime,
        available=lambda: Availability(True, "always"),
        device="cuda",
        precisions=frozenset(Precision),
        build_options=frozenset({"int8"}),
    )
    return make_context(tmp_path, runtimes=[part], processors=list(hookline_processors()))[0]


@pytest.fixture
def folder(tmp_path) -> Path:
    target = tmp_path / "pictures"
    target.mkdir()
    for number in range(5):
        cv2.imwrite(str(target / f"{number}.png"), np.full((64, 96, 3), 50 * number, np.uint8))
    return target


def config(folder: Path | None, **options: Any) -> BuildConfig:
    given = {"precision": Precision.int8, "int8": Int8Route.calibrator, "pictures": 4, "data": None}
    source = str(folder) if folder else None
    return BuildConfig(
        backend="fake", source=source, processor="opencv", split="train", max_pixels=MAX_PIXELS, **{**given, **options}
    )


@pytest.fixture
def model(tmp_path) -> GraftedModel:
    heads = write_heads(tmp_path / "heads.onnx", runtime="fake")
    return grafted(heads, heads.path)


def test_the_runtime_gets_prepared_pictures(context, runtime, model, folder):
    engine = build(config(folder), model, None, None, context)
    assert engine.path == context.workdir / "tiny-int8.engine"
    assert [images.shape for images in runtime.fed] == [(2, 3, 64, 96), (2, 3, 64, 96)]
    levels = sorted(round(float(image.mean()) * 255) for images in runtime.fed for image in images)
    assert set(levels) <= {0, 50, 100, 150, 200}
    (feed,) = runtime.feeds
    assert (feed.method, feed.table) == ("minmax", None)


def test_the_same_pictures_have_one_digest(context, runtime, model, folder):
    for options in ({}, {}, {"pictures": 3}):
        build(config(folder, **options), model, None, None, context)
    first, second, fewer = (feed.digest for feed in runtime.feeds)
    assert first == second != fewer


def test_ranges_of_a_table(context, runtime, model, tmp_path):
    path = tmp_path / "calibration.json"
    path.write_text("{}")
    table = CalibrationTable(path=path, method="percentile", pictures=3, notes=("on the default",))
    engine = build(config(None, method=Method.table), model, None, table, context)
    (feed,) = runtime.feeds
    assert (feed.method, feed.table, runtime.fed) == ("table", path, [])
    assert engine.notes == ("on the default",)


def test_nothing_is_fed_without_a_calibrator(context, runtime, model, folder):
    build(config(folder, int8=Int8Route.qdq), replace(model, precision=Precision.int8), None, None, context)
    assert runtime.feeds == [None]


def test_a_model_that_is_int8_already(context, model, folder):
    with pytest.raises(HooklineError, match=r"int8 already, a calibrator takes a float32 model; set build\.int8=qdq"):
        build(config(folder), replace(model, precision=Precision.int8), None, None, context)


def test_the_key_follows_the_pictures_only_where_they_matter(context, folder):
    before = fingerprint(config(folder), context)
    (folder / "5.png").write_bytes((folder / "0.png").read_bytes())
    assert fingerprint(config(folder), context) != before
    assert fingerprint(config(folder, int8=Int8Route.qdq), context) == {"gpu": "cpu"}
    assert fingerprint(config(None, method=Method.table), context) == {"gpu": "cpu"}


def test_quantize_leaves_the_model_float32(context, runtime, tmp_path):
    heads = write_heads(tmp_path / "heads.onnx")
    model = OnnxModel(path=heads.path, facts=heads.facts, contract=heads.contract, layout=heads.layout)
    calibrated = QuantizeConfig(Precision.int8, "fake", Int8Route.calibrator)
    assert set(select(calibrated)) == {OnnxModel}
    found = quantize(calibrated, model, None, context)
    assert (found.precision, found.path.name, runtime.precisions) == (
        Precision.fp32,
        "heads-fp32.onnx",
        [Precision.fp32],
    )
