"""The same run writes the same bytes, in any folder and at any time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import run_hookline
from tests.support.kill_scenarios import graph_digest
from tests.support.yolov5_tools import tiny_checkpoint

CHAIN = (
    "+stage=[toy,build]", "weights=tiny.safetensors", "imgsz=64", "precision=int8", "toy.train=8", "toy.val=4",
    "toy.imgsz=64", "calibrate.split=train", "hydra.run.dir=run", "store=store",
)  # fmt: skip


def stored(folder: Path, **settings: str) -> dict[str, bytes]:
    """Every file that a chain leaves in a store of its own, by its path in the store."""
    folder.mkdir(parents=True)
    tiny_checkpoint(folder / "tiny.safetensors")
    done = run_hookline(*CHAIN, cwd=folder, **settings)
    assert done.returncode == 0, done.stderr
    store = folder / "store"
    files = (file for file in store.rglob("*") if file.is_file() and "locks" not in file.parts)
    return {str(file.relative_to(store)): file.read_bytes() for file in files}


@pytest.mark.slow
def test_two_runs_in_two_places(tmp_path: Path) -> None:
    first = stored(tmp_path / "one", PYTHONHASHSEED="1", OMP_NUM_THREADS="1")
    second = stored(tmp_path / "elsewhere" / "two", PYTHONHASHSEED="2", OMP_NUM_THREADS="1")
    assert {name.split("/")[0] for name in first} == {
        "toy",
        "load",
        "export",
        "calibrate",
        "quantize",
        "graft",
        "build",
    }
    assert first.keys() == second.keys()
    different = [name for name, content in first.items() if second[name] != content]
    assert {name.split("/")[0] for name in different} <= {"build"}, different
    for name in different:  # ONNX Runtime orders and numbers some nodes of an optimised graph by addresses in memory
        if name.endswith(".onnx"):
            assert graph_of(first[name], tmp_path) == graph_of(second[name], tmp_path)


def graph_of(engine: bytes, folder: Path) -> str:
    (folder / "engine.onnx").write_bytes(engine)
    return graph_digest(folder / "engine.onnx")
