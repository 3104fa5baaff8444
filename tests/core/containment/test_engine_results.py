"""What a runtime from outside builds is checked, and a fault names its plugin."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from core.artifacts import Engine, GraftedModel
from core.containment.calls import Fault, PluginError
from core.containment.engine_results import check_engine, check_machine
from core.containment.failures import faults_of
from core.kinds.building import BuildJob
from core.model_facts import DECODED, Precision
from tests.support import grid_family
from tests.support.fake_parts import runtime_part
from tests.support.stage_tools import make_context


def _job(folder: Path) -> BuildJob:
    exported = grid_family.write_onnx(folder / "grid.onnx")
    model = GraftedModel(
        **vars(exported)
        | {"layout": DECODED, "precision": Precision.int8, "runtime": "fake", "graft": "x", "score_threshold": 0.25}
    )
    return BuildJob(
        model=model,
        target=folder / "made.engine",
        precision=Precision.int8,
        batch=None,
        imgsz=None,
        warmup=0,
        device="cpu",
        calibration=None,
        cache_dir=folder,
        reporter=None,  # type: ignore[arg-type]  # nothing reports
    )


def _engine(job: BuildJob) -> Engine:
    model = job.model
    return Engine(
        path=job.target,
        facts=model.facts,
        contract=model.contract,
        layout=model.layout,
        precision=job.precision,
        runtime="fake",
        score_threshold=model.score_threshold,
        machine={},
    )


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        (lambda _job: None, "build must return an Engine, not None"),
        (lambda job: job.model, "build must return an Engine, not <GraftedModel>"),
        (lambda job: replace(_engine(job), path=job.model.path), "with path="),
        (lambda job: replace(_engine(job), runtime="other"), "with runtime='fake', not 'other'"),
        (lambda job: replace(_engine(job), precision=Precision.fp32), "with precision="),
        (lambda job: replace(_engine(job), layout="grid"), "with layout='decoded', not 'grid'"),
        (lambda job: replace(_engine(job), score_threshold=0.9), "with score_threshold="),
        (
            lambda job: replace(_engine(job), machine=None),
            "an Engine with a mapping of texts as machine, not None",
        ),
        (lambda job: replace(_engine(job), facts=replace(job.model.facts, names=("cat", "dog"))), "with facts="),
    ],
)
def test_an_engine_that_a_runtime_returned(tmp_path: Path, returned: Callable[[BuildJob], object], told: str) -> None:
    context, _ = make_context(tmp_path, runtimes=[runtime_part("fake")])
    job = _job(tmp_path)
    job.target.write_bytes(b"plan")
    with pytest.raises(PluginError, match=told), faults_of("runtimes", "fake", context.registry):
        check_engine(returned(job), job, "fake")


def test_an_engine_without_its_file(tmp_path: Path) -> None:
    context, _ = make_context(tmp_path, runtimes=[runtime_part("fake")])
    job = _job(tmp_path)
    with (
        pytest.raises(PluginError, match=r"did not write 'made\.engine'"),
        faults_of("runtimes", "fake", context.registry),
    ):
        check_engine(_engine(job), job, "fake")
    job.target.write_bytes(b"plan")
    assert check_engine(_engine(job), job, "fake") == _engine(job)


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ({}, "machine states chip='a', but Engine.machine has no 'chip'"),
        ({"chip": "b"}, "machine states chip='a', but Engine.machine has chip='b'"),
        ({"chip": "a", "more": "c"}, ""),
    ],
)
def test_an_engine_that_states_another_machine(tmp_path: Path, stated: dict[str, str], told: str) -> None:
    engine = replace(_engine(_job(tmp_path)), machine=stated)
    with pytest.raises(Fault, match=told) if told else nullcontext():
        check_machine(engine, {"chip": "a"})
