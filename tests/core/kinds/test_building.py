"""A build job makes the artifact of its engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from core.artifacts import GraftedModel
from core.model_facts import DECODED, InputContract, ModelFacts, Precision
from tests.support.build_tools import build_job


def test_an_engine_has_the_facts_of_the_job_and_of_its_model(tmp_path: Path) -> None:
    model = GraftedModel(
        path=tmp_path / "model.onnx",
        notes=("trained on synthetic images",),
        facts=ModelFacts("fake", "fake", ("person",), (8, 16, 32)),
        contract=InputContract(1, 64, 64),
        layout=DECODED,
        precision=Precision.fp32,
        runtime="fake",
        fixed_sizes=False,
        graft="fake",
        score_threshold=0.25,
        operators=(),
    )
    job = replace(build_job(model, tmp_path / "model.engine"), precision=Precision.int8)
    engine = job.engine("fake", {"chip": "1"})
    assert (engine.path, engine.precision, engine.runtime, engine.machine, engine.settings) == (
        *(job.target, Precision.int8, "fake", {"chip": "1"}),
        {},
    )
    assert (engine.facts, engine.contract, engine.layout) == (model.facts, model.contract, model.layout)
    assert (engine.score_threshold, engine.notes) == (0.25, model.notes)
    batched = job.engine("fake", {}, contract=InputContract(8, 64, 64), settings={"cores": "2"})
    assert (batched.contract.batch, batched.settings) == (8, {"cores": "2"})
