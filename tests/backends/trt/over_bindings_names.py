"""Check every name that hookline uses of the module against the real bindings (run by test_over_bindings.py).

Names that releases do not share are looked up at run time (capabilities.py) and are excluded.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import tensorrt

REPO = Path(__file__).resolve().parents[3]
FILES = [*sorted((REPO / "backends" / "trt").glob("*.py")), *sorted((REPO / "cuda_plugins").glob("*.py"))]


def chain(node: ast.expr) -> list[str]:
    """Return [library, trt, BuilderFlag, TF32] for ``library.trt.BuilderFlag.TF32``; empty for other expressions."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute) and (before := chain(node.value)):
        return [*before, node.attr]
    return []


def names(tree: ast.AST) -> Iterator[str]:
    """Yield the attributes after ``trt`` in attribute chains."""
    for node in ast.walk(tree):
        found = chain(node) if isinstance(node, ast.Attribute) else []
        if "trt" in found[:-1]:
            yield ".".join(found[found.index("trt") + 1 :])


USED = sorted({name for file in FILES for name in names(ast.parse(file.read_text(encoding="utf-8")))})


def test_names_are_found_at_all() -> None:
    assert {"BuilderFlag.TF32", "OnnxParser", "IPluginV3OneBuild", "TensorIOMode.INPUT"} <= set(USED)


@pytest.mark.parametrize("name", USED)
def test_name(name: str) -> None:
    found = tensorrt
    for part in name.split("."):
        if part == "__members__":
            break
        found = getattr(found, part)
