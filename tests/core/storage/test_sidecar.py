"""An edited sidecar is read as it was written, or refused in one line."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.artifacts import Artifact, CalibrationTable, Checkpoint, Dataset, Engine, GraftedModel, Provenance
from core.errors import HooklineError
from core.model_facts import DECODED, InputContract, ModelFacts, Precision
from core.storage.serial import encode
from core.storage.sidecar import (
    DIGEST,
    MAX_BYTES,
    read_artifact,
    read_model,
    sidecar_digest,
    sidecar_path,
    verify_file,
    write_sidecar,
)
from core.storage.store import complete

FACTS = ModelFacts("yolov5", "yolov5n", ("person", "l'été"), (8, 16), {"anchors": [[10.0, 13.0], [30.0, 61.0]]})
MODEL: dict[str, Any] = {
    "facts": FACTS, "contract": InputContract(1, 64, 96, dynamic=("batch",)), "layout": DECODED,
    "precision": Precision.int8, "runtime": "onnxruntime", "score_threshold": 0.25,
}  # fmt: skip
ARTIFACTS: dict[str, Callable[[Path], Artifact]] = {
    "engine": lambda path: Engine(path=path, **MODEL, machine={"cpu": "avx2"}, provenance=Provenance("a", "b", "c")),
    "grafted": lambda path: GraftedModel(path=path, **MODEL, graft="onnx", operators=("YoloLayer_TRT",)),
    "checkpoint": lambda path: Checkpoint(path=path, facts=FACTS, notes=("mind",)),
    "table": lambda path: CalibrationTable(path=path, method="minmax", pictures=3),
    "dataset": lambda path: Dataset(path=path, names=("a",), digest="0" * 64, splits={"train": 2}),
}
VALUES = (
    None, True, 0, 7, -1, 2.5, 10**400, "", "640", "rgb", "\ud800", "../../x",
    [], [1], ["a", "a"], [[["a"]]], {}, {"a": 1},
)  # fmt: skip
RAW = ("NaN", "-Infinity", "1e999", "9" * 5000, "[" * 500 + "]" * 500, "[" * 100_000, '{"a": 1, "a": 2}', "", "\x01")
MARK = "\ue000"


@pytest.fixture(params=ARTIFACTS)
def artifact(request: pytest.FixtureRequest, tmp_path: Path) -> Artifact:
    """Write an artifact with its sidecar and another file."""
    path = tmp_path / "x.engine"
    path.write_bytes(b"content")
    (tmp_path / "other.txt").write_text("other")
    made = complete(ARTIFACTS[request.param](path))
    write_sidecar(made)
    return made


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield every value in a JSON value, from the root to the leaves."""
    yield above
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*above, key))


def changed(content: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    content = copy.deepcopy(content)
    inside = content
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = value
    return content


def edits(content: Any) -> Iterator[Any]:
    """Yield edited copies: every value replaced by each of VALUES or removed, and a key added to every object."""
    for place in places(content):
        yield from (changed(content, place, value) for value in VALUES)
        if place:
            without = copy.deepcopy(content)
            inside = without
            for key in place[:-1]:
                inside = inside[key]
            del inside[place[-1]]
            yield without
    for place in places(content):
        inside = content
        for key in place:
            inside = inside[key]
        if isinstance(inside, dict):
            yield changed(content, place, {**inside, "added": 1})


def test_round_trip(artifact: Artifact) -> None:
    assert read_artifact(artifact.path) == artifact
    assert read_model(artifact.path) == artifact


def test_an_edited_sidecar_is_refused(artifact: Artifact) -> None:
    sidecar = sidecar_path(artifact.path)
    content = json.loads(sidecar.read_text())
    count = 0
    for edited in edits(content):
        if json.dumps(edited, sort_keys=True) == json.dumps(content, sort_keys=True):
            continue
        sidecar.write_text(json.dumps(edited))
        with pytest.raises(HooklineError, match=r"x\.engine\.json' (was changed|does not describe an artifact)"):
            read_artifact(artifact.path)
        count += 1
    assert count > 200


def test_an_edited_sidecar_with_its_digest_is_read_as_it_is_or_refused(artifact: Artifact) -> None:
    """An accepted sidecar has the right types and all values of the text, without conversion."""
    sidecar = sidecar_path(artifact.path)
    content = json.loads(sidecar.read_text())
    for edited in edits(content):
        if not isinstance(edited, dict):
            continue
        edited[DIGEST] = sidecar_digest(edited)
        sidecar.write_text(json.dumps(edited))
        try:
            found = read_artifact(artifact.path)
        except HooklineError as error:
            assert "\n" not in str(error)  # noqa: PT017 - one line
            continue
        stated = {
            key: value for key, value in edited.items() if key not in {"artifact", "files", DIGEST, "path", "schema"}
        }
        assert {key: value for key, value in encode(found).items() if key != "path"} == stated


def test_damaged_texts(artifact: Artifact) -> None:
    sidecar = sidecar_path(artifact.path)
    content = json.loads(sidecar.read_text())
    for place in places(content):
        marked = json.dumps(changed(content, place, MARK), ensure_ascii=False)
        for raw in RAW:
            sidecar.write_text(marked.replace(f'"{MARK}"', raw))
            with pytest.raises(HooklineError, match=r"x\.engine\.json' (was changed|does not describe an artifact)"):
                read_artifact(artifact.path)


def test_spaces_and_the_order_of_keys_have_no_effect(artifact: Artifact) -> None:
    sidecar = sidecar_path(artifact.path)
    content = json.loads(sidecar.read_text())
    sidecar.write_text(json.dumps(dict(reversed(content.items())), indent=7))
    assert read_artifact(artifact.path) == artifact


def test_a_sidecar_of_an_older_hookline(artifact: Artifact) -> None:
    sidecar = sidecar_path(artifact.path)
    content = json.loads(sidecar.read_text())
    del content[DIGEST]
    sidecar.write_text(json.dumps(content))
    with pytest.raises(HooklineError, match="was changed after it was written, or an older hookline wrote it"):
        read_artifact(artifact.path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b"null"])
def test_files_that_are_not_sidecars(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.onnx.json").write_bytes(content)
    with pytest.raises(HooklineError, match=r"x\.onnx\.json' does not describe an artifact"):
        read_artifact(tmp_path / "x.onnx")


def test_a_sidecar_that_is_too_large(tmp_path: Path) -> None:
    (tmp_path / "x.onnx.json").write_bytes(b" " * (MAX_BYTES + 1))
    with pytest.raises(HooklineError, match=r"x\.onnx\.json' \(it has 16,000,001 bytes, the limit is 16,000,000\)"):
        read_artifact(tmp_path / "x.onnx")


def test_no_sidecar_and_a_folder_of_its_name(tmp_path: Path) -> None:
    assert read_artifact(tmp_path / "x.onnx") is None
    (tmp_path / "x.onnx.json").mkdir()
    assert read_artifact(tmp_path / "x.onnx") is None


def test_a_changed_file_is_refused(artifact: Artifact) -> None:
    artifact.path.write_bytes(b"other content")
    with pytest.raises(HooklineError, match=r"x\.engine' is not the file that was written"):
        read_model(artifact.path)
    with pytest.raises(HooklineError, match=r"x\.engine' is not the file that was written"):
        verify_file(artifact)  # type: ignore[arg-type]
    artifact.path.unlink()
    with pytest.raises(HooklineError, match=r"x\.engine' does not exist"):
        verify_file(artifact)  # type: ignore[arg-type]


def test_files_written_with_it_may_be_missing_but_not_changed(artifact: Artifact) -> None:
    other = artifact.path.with_name("other.txt")
    other.write_text("changed")
    if isinstance(artifact, Checkpoint):  # reports of the training
        assert read_model(artifact.path) == artifact
    else:
        with pytest.raises(HooklineError, match=r"other\.txt' is not the file that was written"):
            read_model(artifact.path)
    other.unlink()
    assert read_model(artifact.path) == artifact


def test_a_model_and_its_sidecar_may_be_renamed(artifact: Artifact) -> None:
    target = artifact.path.with_name("y.engine")
    sidecar_path(artifact.path).rename(sidecar_path(target))
    artifact.path.rename(target)
    artifact.path.write_bytes(b"the next one")
    found = read_model(target)
    assert found is not None
    assert (found.path, found.sha256) == (target, artifact.sha256)
