"""A runtime that quantises the model itself: the calibration that its options request, and the images that it gets."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from backends.cv.plugin import hookline_processors
from core.artifacts import CalibrationTable, Dataset, Engine, GraftedModel, OnnxModel
from core.errors import HooklineError
from core.kinds.building import BuildJob, CalibrationFeed
from core.kinds.context import RunContext
from core.kinds.quantizer import QuantizeJob, Quantizer
from core.media.choices import MAX_PIXELS
from core.model_facts import CalibrationInput, InputContract, Precision
from stages.build import build, fingerprint
from stages.build import select as select_for_build
from stages.build.config import BuildConfig
from stages.quantize import quantize, select
from stages.quantize.config import QuantizeConfig
from tests.support.fake_parts import fake_engine, runtime_part
from tests.support.heads_tools import grafted, write_heads
from tests.support.stage_tools import make_context


@dataclass
class Calibrating:
    """A runtime that keeps its calibration batches."""

    fed: list[np.ndarray] = field(default_factory=list)
    feeds: list[CalibrationFeed | None] = field(default_factory=list)

    def machine(self, device: str = "auto") -> dict[str, str]:
        return {"gpu": device}

    def build(self, job: BuildJob) -> Engine:
        self.feeds.append(job.calibration)
        if job.calibration is not None:
            batches = job.calibration.batches
            self.fed += batches(InputContract(2, 64, 96)) if batches else ()
        job.target.write_bytes(b"plan")
        model = job.model
        return replace(
            fake_engine(job.target.parent),
            machine=self.machine(job.device),
            path=job.target,
            facts=model.facts,
            layout=model.layout,
            precision=job.precision,
            score_threshold=model.score_threshold,
            notes=model.notes,
        )


@dataclass
class Options:
    """Options of the runtime: the calibration that it needs."""

    needs: CalibrationInput = CalibrationInput.images


@dataclass
class Copying:
    """A quantizer that keeps its jobs."""

    jobs: list[QuantizeJob] = field(default_factory=list)

    def quantize(self, job: QuantizeJob) -> None:
        self.jobs.append(job)
        job.target.write_bytes(job.model.path.read_bytes())


@pytest.fixture
def runtime() -> Calibrating:
    return Calibrating()


@pytest.fixture
def quantizer() -> Copying:
    return Copying()


@pytest.fixture
def context(tmp_path, runtime, quantizer) -> RunContext:
    part = runtime_part("fake", runtime, device="cuda", options=Options, calibrates=lambda options: options.needs)
    copying = Quantizer(name="copy", summary="for tests", load=lambda: quantizer)
    parts = {"runtimes": [part], "quantizers": [copying], "processors": list(hookline_processors())}
    return make_context(tmp_path, **parts)[0]


def needing(context: RunContext, needs: CalibrationInput) -> RunContext:
    """Return the context with other options of the runtime."""
    return replace(context, options=lambda _kind, _name: Options(needs))


@pytest.fixture
def folder(tmp_path) -> Path:
    target = tmp_path / "pictures"
    target.mkdir()
    for number in range(5):
        cv2.imwrite(str(target / f"{number}.png"), np.full((64, 96, 3), 50 * number, np.uint8))
    return target


def config(folder: Path | None, **options: Any) -> BuildConfig:
    given = {"precision": Precision.int8, "pictures": 4, "data": None}
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
    assert feed.table is None


def test_the_same_pictures_have_one_digest(context, runtime, model, folder):
    for options in ({}, {}, {"pictures": 3}):
        build(config(folder, **options), model, None, None, context)
    first, second, fewer = (feed.digest for feed in runtime.feeds)
    assert first == second != fewer


def test_ranges_of_a_table(context, runtime, model, tmp_path):
    path = tmp_path / "calibration.json"
    path.write_text("{}")
    table = CalibrationTable(path=path, method="percentile", pictures=3, notes=("on the default",))
    engine = build(config(None), model, None, table, needing(context, CalibrationInput.table))
    (feed,) = runtime.feeds
    assert (feed.table, runtime.fed) == (path, [])
    assert engine.notes == ("on the default",)


def test_nothing_is_fed_without_a_calibrator(context, runtime, model, folder):
    none = needing(context, CalibrationInput.none)
    build(config(folder), replace(model, precision=Precision.int8), None, None, none)
    assert runtime.feeds == [None]


def test_a_model_that_is_int8_already(context, model, folder):
    with pytest.raises(
        HooklineError, match=r"already int8, but fake can quantise float32 models only; .*runtimes\.fake\.\*"
    ):
        build(config(folder), replace(model, precision=Precision.int8), None, None, context)


@pytest.mark.parametrize(("precision", "asked"), [(None, "null"), (Precision.fp16, "fp16")])
def test_a_calibration_for_another_precision_is_refused(context, model, folder, precision, asked):
    message = f"the options of fake request an int8 calibration, but build.precision is {asked}; set precision=int8"
    with pytest.raises(HooklineError, match=message):
        build(config(folder, precision=precision), model, None, None, context)


def test_the_key_follows_the_pictures_only_where_they_matter(context, folder):
    before = fingerprint(config(folder), context)
    (folder / "5.png").write_bytes((folder / "0.png").read_bytes())
    assert fingerprint(config(folder), context) != before
    assert fingerprint(config(folder), needing(context, CalibrationInput.none)) == {"gpu": "cpu"}
    assert fingerprint(config(None), needing(context, CalibrationInput.table)) == {"gpu": "cpu"}


def test_what_the_stages_need(context, folder):
    wanted = {
        CalibrationInput.none: {GraftedModel},
        CalibrationInput.images: {GraftedModel, Dataset},
        CalibrationInput.table: {GraftedModel, CalibrationTable},
    }
    for needs, kinds in wanted.items():
        assert set(select_for_build(config(None), needing(context, needs))) == kinds
        assert set(select_for_build(replace(config(None), precision=None), needing(context, needs))) == {GraftedModel}
    assert set(select_for_build(config(folder), context)) == {GraftedModel}


def test_quantize_leaves_the_model_float32(context, quantizer, tmp_path):
    heads = write_heads(tmp_path / "heads.onnx")
    model = OnnxModel(path=heads.path, facts=heads.facts, contract=heads.contract, layout=heads.layout)
    calibrated = QuantizeConfig(Precision.int8, "fake", "copy")
    assert set(select(calibrated, context)) == {OnnxModel}
    assert set(select(calibrated, needing(context, CalibrationInput.none))) == {OnnxModel, CalibrationTable}
    found = quantize(calibrated, model, None, context)
    assert (found.precision, found.path.name) == (Precision.fp32, "heads-fp32.onnx")
    (job,) = quantizer.jobs
    assert (job.precision, job.table) == (Precision.fp32, None)
