"""In a checkout that is edited in place, a key covers the code that a stage runs, in whatever package, and no other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from core.planning.keys import measuring_facts
from core.process.installation import HOME, NAME, PACKAGES
from tests.support.fake_parts import fake_engine
from tests.support.runs import Program

TESTS = Path(__file__).parents[3]
OF_ENGINES = {"build", "quantize"}
INFERRED = {"calibrate", "compare", "evaluate", "predict", "train"}
ALL = INFERRED | OF_ENGINES | {"dataset", "export", "graft", "load"}

EDITS: dict[str, tuple[set[str], set[str]]] = {
    "core/evaluation/scores.py": ({"evaluate", "train"}, OF_ENGINES | {"load", "export", "predict"}),
    "core/inference/detector.py": (INFERRED, {"dataset", "export", "load", "quantize"}),
    "core/media/picture.py": ({"calibrate", "evaluate", "predict"}, {"quantize"}),
    "core/files/paths.py": ({"dataset", "evaluate"}, set()),
    "backends/trt/building.py": ({"build"}, {"export", "load", "quantize", "train"}),
    "backends/trt_rtx/worker.py": ({"build"}, {"export", "load", "quantize", "train"}),
    "backends/ort/session.py": (set(), ALL),
    "backends/gpu/suppression.py": ({"evaluate", "predict"}, {"export", "load", "quantize"}),
    "backends/yolov5/training/loss.py": ({"train"}, OF_ENGINES),
    "cuda_plugins/kernels/letterbox.cu": ({"calibrate", "evaluate", "predict"}, {"dataset", "export", "load"}),
    "cuda_plugins/kernels/yolo_layer.cu": ({"build", "evaluate", "predict"}, {"dataset", "export", "load"}),
    "cuda_plugins/yolo_layer_aot.py": ({"build"}, {"dataset", "export", "load", "train"}),
    "cuda_plugins/signature.py": ({"build", "export", "load", "train"}, {"dataset"}),
    "stages/__init__.py": (ALL, set()),
    "stages/train/plots.py": ({"train"}, ALL - {"train"}),
    "stages/build/building.py": ({"build"}, ALL - {"build"}),
    "core/execution/runner.py": (set(), ALL),
    "core/config/compose.py": (set(), ALL),
    "core/planning/planner.py": (set(), ALL),
    "core/errors.py": (ALL, set()),
}
"""Per edited file the stages whose keys must change, and those whose keys must not."""


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The stages whose keys an edit changed, by the edited file of a copied checkout."""
    folder = tmp_path_factory.mktemp("edited")
    checkout = folder / "checkout"
    for package in (NAME, *PACKAGES):
        shutil.copytree(HOME / package, checkout / package, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "tests.support.keys_of_checkout", str(folder / "runs"), *EDITS]
    environment = os.environ | {"PYTHONPATH": f"{checkout}{os.pathsep}{TESTS}"}
    done = subprocess.run(command, check=False, cwd=checkout, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(zip(EDITS, map(set, map(json.loads, done.stdout.splitlines())), strict=True))


@pytest.mark.parametrize("file", EDITS)
def test_an_edit_makes_anew_what_the_file_shapes(changed: dict[str, set[str]], file: str) -> None:
    anew, kept = EDITS[file]
    assert anew <= changed[file]
    assert not kept & changed[file]


def test_the_version_identifies_an_installed_hookline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, context, _ = Program(tmp_path).prepare("backend=onnxruntime")
    engine = replace(fake_engine(tmp_path), runtime="onnxruntime")
    authors = []
    for edited in (True, False):
        monkeypatch.setattr("core.planning.keys.is_edited_in_place", lambda *_, edited=edited: edited)
        authors.append(measuring_facts(engine, context)["by"])
    assert [bool(code) for _, code in authors] == [True, False]
    assert authors[0][0] == authors[1][0]
