"""Files of an older version are converted, files of a newer one are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.artifacts import Dataset, OnnxModel
from core.errors import HooklineError
from core.model_facts import InputContract, ModelFacts
from core.storage.digest import file_digest
from core.storage.metadata import KEY, ModelMetadata, from_properties, to_properties
from core.storage.serial import DecodeError
from core.storage.sidecar import DIGEST, read_artifact, sidecar_digest, sidecar_path, write_sidecar
from core.storage.validation import SCHEMA, upgraded

ANCHORS = [[10.0, 13.0], [30.0, 61.0]]
FACTS = ModelFacts("yolov5", "yolov5n", ("a", "b"), (8, 16), {"anchors": ANCHORS})
CONTRACT = InputContract(1, 64, 96)


def written(folder: Path, facts: ModelFacts = FACTS, layout: str = "heads") -> tuple[OnnxModel, Path]:
    path = folder / "x.onnx"
    path.write_bytes(b"model")
    digest = file_digest(path)
    model = OnnxModel(path=path, sha256=digest, facts=facts, contract=CONTRACT, layout=layout)
    return model, write_sidecar(model)


def as_first(content: dict[str, Any], anchors: object = ANCHORS, family: str = "yolov5") -> dict[str, Any]:
    """Return the content in schema 1."""
    facts = {key: value for key, value in content["facts"].items() if key != "head"}
    contract = {key: value for key, value in content["contract"].items() if key not in {"padding", "offset"}}
    first = content | {"facts": facts | {"anchors": anchors, "family": family}, "contract": contract}
    del first["schema"]
    return first


def store(sidecar: Path, content: dict[str, Any]) -> None:
    sidecar.write_text(json.dumps(content | {DIGEST: sidecar_digest(content)}))


def test_written_files_have_their_schema_version(tmp_path: Path) -> None:
    model, sidecar = written(tmp_path)
    assert json.loads(sidecar.read_text())["schema"] == SCHEMA
    assert json.loads(to_properties(ModelMetadata(FACTS, CONTRACT, "heads"))[KEY])["schema"] == SCHEMA
    assert read_artifact(model.path) == model


def test_anchors_become_facts_of_the_head(tmp_path: Path) -> None:
    model, sidecar = written(tmp_path)
    store(sidecar, as_first(json.loads(sidecar.read_text())))
    assert read_artifact(model.path) == model
    text = to_properties(ModelMetadata(FACTS, CONTRACT, "heads"))[KEY]
    assert from_properties({KEY: json.dumps(as_first(json.loads(text)))}) == ModelMetadata(FACTS, CONTRACT, "heads")


def test_a_file_of_another_exporter_gets_its_family(tmp_path: Path) -> None:
    """Schema 1 has no family for these files."""
    model, sidecar = written(tmp_path, ModelFacts("yolov5", "x", ("a",), (8, 16)), "classic")
    store(sidecar, as_first(json.loads(sidecar.read_text()), [], ""))
    assert read_artifact(model.path) == model


def test_artifacts_without_a_model_need_no_conversion(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    data = Dataset(path=tmp_path / "x.json", sha256="0" * 64, digest="1", names=("a",), splits={"val": 1})
    sidecar = write_sidecar(data)
    content = json.loads(sidecar.read_text())
    del content["schema"]
    store(sidecar, content)
    assert read_artifact(data.path) == data


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    model, sidecar = written(tmp_path)
    store(sidecar, json.loads(sidecar.read_text()) | {"schema": SCHEMA + 1})
    message = (
        rf"was written by a newer hookline \(schema {SCHEMA + 1}; this version reads up to {SCHEMA}\); update hookline"
    )
    with pytest.raises(HooklineError, match=rf"x\.onnx\.json' {message}"):
        read_artifact(model.path)
    text = json.loads(to_properties(ModelMetadata(FACTS, CONTRACT, "heads"))[KEY]) | {"schema": SCHEMA + 1}
    with pytest.raises(HooklineError, match=rf"the ONNX file {message}"):
        from_properties({KEY: json.dumps(text)})


@pytest.mark.parametrize("schema", [0, -1, True, "2", 2.0, None, [2]])
def test_invalid_schema_versions(schema: object) -> None:
    with pytest.raises(DecodeError, match=r"^schema: expected a whole number above 0"):
        upgraded({"schema": schema}, "x")


@pytest.mark.parametrize("key", ["padding", "offset"])
def test_a_contract_is_complete_in_each_schema(tmp_path: Path, key: str) -> None:
    """Schema 1 has neither key, schema 2 has both."""
    model, sidecar = written(tmp_path)
    content = json.loads(sidecar.read_text())
    first = as_first(content)
    store(sidecar, first | {"contract": first["contract"] | {key: content["contract"][key]}})
    with pytest.raises(HooklineError, match=rf"contract\.{key}: unknown key"):
        read_artifact(model.path)
    del content["contract"][key]
    store(sidecar, content)
    with pytest.raises(HooklineError, match=rf"contract\.{key}: missing"):
        read_artifact(model.path)


@pytest.mark.parametrize("facts", [{"head": {}, "anchors": []}, {"head": {}}, {}])
def test_facts_of_two_schemas_are_refused(tmp_path: Path, facts: dict[str, Any]) -> None:
    model, sidecar = written(tmp_path)
    content = as_first(json.loads(sidecar.read_text()))
    content["facts"] = {key: value for key, value in content["facts"].items() if key != "anchors"} | facts
    store(sidecar, content)
    with pytest.raises(HooklineError, match=r"does not describe an artifact \(facts\.(head: unknown|anchors: missing)"):
        read_artifact(model.path)
    assert sidecar_path(model.path) == sidecar
