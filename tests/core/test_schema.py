"""Sidecars and metadata of earlier versions are read; those of later ones are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.artifacts import InputContract, Layout, ModelFacts, OnnxModel
from core.errors import HooklineError
from core.metadata import KEY, ModelMetadata, from_properties, to_properties
from core.schema import VERSION, converted, versioned
from core.serial import DecodeError
from core.sidecar import DIGEST, read_model, sidecar_digest, sidecar_path, write_sidecar
from core.store import complete

FACTS = ModelFacts("yolov5", "yolov5n", ("person",), ((10.0, 13.0), (30.0, 61.0)), (8, 16))
CONTRACT = InputContract(1, 64, 96, dynamic=("batch",))


def of_version_1(content: dict[str, Any]) -> dict[str, Any]:
    """What the hookline before the schema versions wrote for the same model."""
    old = {key: value for key, value in content.items() if key != "schema"}
    old["contract"] = {key: value for key, value in old["contract"].items() if key not in {"padding", "offset"}}
    assert len(old["contract"]) == 8
    return old


def stored_model(folder: Path) -> OnnxModel:
    path = folder / "x.onnx"
    path.write_bytes(b"content")
    model = complete(OnnxModel(path=path, facts=FACTS, contract=CONTRACT, layout=Layout.heads))
    write_sidecar(model)
    return model


def rewrite(path: Path, content: dict[str, Any]) -> None:
    content[DIGEST] = sidecar_digest(content)
    path.write_text(json.dumps(content))


def test_a_sidecar_of_version_1_is_yolov5s_contract(tmp_path: Path) -> None:
    model, sidecar = stored_model(tmp_path), sidecar_path(tmp_path / "x.onnx")
    rewrite(sidecar, of_version_1(json.loads(sidecar.read_text())))
    assert read_model(model.path) == model


def test_metadata_of_version_1_is_yolov5s_contract() -> None:
    metadata = ModelMetadata(FACTS, CONTRACT, Layout.heads)
    properties = to_properties(metadata)
    old = of_version_1(json.loads(properties[KEY]))
    assert from_properties({KEY: json.dumps(old)}) == metadata


def test_a_sidecar_of_today_lacks_nothing(tmp_path: Path) -> None:
    model, sidecar = stored_model(tmp_path), sidecar_path(tmp_path / "x.onnx")
    content = json.loads(sidecar.read_text())
    assert content["schema"] == VERSION
    del content["contract"]["padding"]
    rewrite(sidecar, content)
    with pytest.raises(HooklineError, match=r"contract\.padding: missing"):
        read_model(model.path)


@pytest.mark.parametrize("version", [VERSION + 1, 0, -1, True, 2.0, "2", None, [2], 10**400])
def test_other_versions_are_refused(tmp_path: Path, version: Any) -> None:
    model, sidecar = stored_model(tmp_path), sidecar_path(tmp_path / "x.onnx")
    rewrite(sidecar, json.loads(sidecar.read_text()) | {"schema": version})
    with pytest.raises(HooklineError, match=r"schema: expected a version from 1 to \d+, got .*; upgrade hookline"):
        read_model(model.path)
    with pytest.raises(DecodeError, match=r"^schema: "):
        converted({"schema": version})


def test_conversion_leaves_what_is_there() -> None:
    assert converted(versioned({"a": 1})) == {"a": 1}
    assert converted({"contract": {"padding": "top_left"}}) == {"contract": {"padding": "top_left", "offset": 0.0}}
    assert converted({"contract": 3}) == {"contract": 3}
