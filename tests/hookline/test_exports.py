"""The public names of hookline can be imported, are visible to type checkers, and load nothing heavy."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import hookline

USE_ONNX = {"read_onnx"}
"""Names that need a heavy library."""
HEAVY = ("av", "cupy", "cv2", "hydra", "matplotlib", "numpy", "omegaconf", "onnx", "onnxruntime", "torch")


@pytest.mark.parametrize("name", hookline.__all__)
def test_every_name_is_that_of_its_module(name: str) -> None:
    assert getattr(hookline, name) is getattr(importlib.import_module(hookline.MODULES[name]), name)


def test_type_checkers_see_the_same_names(repo_root: Path) -> None:
    tree = ast.parse((repo_root / "hookline" / "__init__.pyi").read_text())
    imports = [item for item in tree.body if isinstance(item, ast.ImportFrom) and item.module != "collections.abc"]
    assert {name.asname: item.module for item in imports for name in item.names} == hookline.MODULES


def test_an_unknown_name_is_an_import_error() -> None:
    with pytest.raises(ImportError, match="Staeg"):
        from hookline import Staeg  # noqa: F401


def test_names_are_listed() -> None:
    assert {"Stage", "open", "run"} <= set(dir(hookline))


@pytest.mark.parametrize(
    "code",
    [
        "import hookline",
        "from hookline import Stage, Runtime, hookimpl, HooklineError",
        f"from hookline import {', '.join(sorted({*hookline.__all__} - USE_ONNX))}",
        "import hookline.checks, hookline.ranges, hookline.testing, hookline.training",
    ],
)
def test_importing_loads_nothing_heavy(code: str, repo_root: Path) -> None:
    line = f"{code}\nimport sys; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", line], cwd=repo_root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_type_checker_knows_the_types_of_an_outside_plugin(repo_root: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "outside.py"
    plugin.write_text(
        "import hookline\n"
        "from hookline import Stage, hookimpl\n"
        "from hookline.ranges import Positive\n"
        "limit: Positive = 3\n"
        "reveal_type(hookline.open('best.pt').names)\n"
        "reveal_type(Stage)\n"
        "hookline.open(7)\n"
        "from hookline import Staeg\n"
    )
    line = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent", "--cache-dir",
            str(tmp_path / "cache"), str(plugin)]  # fmt: skip
    done = subprocess.run(line, cwd=repo_root, capture_output=True, text=True, check=False)
    shown = done.stdout.replace("builtins.", "")  # newer versions of mypy leave it out
    assert 'Revealed type is "tuple[str, ...]"' in shown
    assert 'Revealed type is "def (*, name: str' in shown
    errors = [text for text in done.stdout.splitlines() if " error: " in text]
    assert len(errors) == 2, done.stdout
    assert "incompatible type" in errors[0]
    assert 'has no attribute "Staeg"' in errors[1]
