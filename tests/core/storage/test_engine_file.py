from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.artifacts import Engine, OnnxModel
from core.errors import HooklineError
from core.model_facts import DECODED, InputContract, ModelFacts, Precision
from core.storage.digest import file_digest
from core.storage.sidecar import check_engine_file

FACTS = ModelFacts("yolov5", "yolov5n", ("person",), (8, 16, 32), {"anchors": [[1.0] * 6] * 3})


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    path = tmp_path / "a.engine"
    path.write_bytes(b"plan")
    return Engine(
        path=path,
        sha256=file_digest(path),
        facts=FACTS,
        contract=InputContract(1, 64, 64),
        layout=DECODED,
        precision=Precision.fp16,
        runtime="tensorrt",
        score_threshold=0.25,
        machine={},
    )


def test_an_unchanged_engine(engine: Engine) -> None:
    assert check_engine_file(engine, "tensorrt") is engine
    unstored = replace(engine, sha256="")
    assert check_engine_file(unstored, "tensorrt") is unstored


def test_models_that_cannot_be_opened(engine: Engine) -> None:
    model = OnnxModel(path=engine.path, facts=FACTS, contract=engine.contract, layout="heads")
    with pytest.raises(HooklineError, match=r"tensorrt opens engines only, not 'a\.engine'"):
        check_engine_file(model, "tensorrt")
    with pytest.raises(HooklineError, match="is an engine of 'tensorrt'; set backend=tensorrt"):
        check_engine_file(engine, "onnxruntime")
    engine.path.write_bytes(b"plam")
    with pytest.raises(HooklineError, match="its sha256 differs"):
        check_engine_file(engine, "tensorrt")
    engine.path.unlink()
    with pytest.raises(HooklineError, match="does not exist"):
        check_engine_file(engine, "tensorrt")
