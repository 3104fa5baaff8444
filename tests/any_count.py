"""Counts ``Any`` in the code of the packages: ``python -m tests.any_count`` lists it by file."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

from tests.support.packages import PACKAGES, ROOT


def count_any(root: Path = ROOT) -> Counter[str]:
    """Return how often each file uses the name ``Any``, in annotations written as text too; imports do not count."""
    files = (file for package in PACKAGES for file in sorted((root / package).rglob("*.py")))
    return Counter({str(file.relative_to(root)): _uses(file.read_text(encoding="utf-8")) for file in files})


def _uses(code: str) -> int:
    tree = ast.parse(code)
    return sum(_is_any(node) + _any_in_text(node) for node in ast.walk(tree))


def _is_any(node: ast.AST) -> bool:
    return (isinstance(node, ast.Name) and node.id == "Any") or (isinstance(node, ast.Attribute) and node.attr == "Any")


def _any_in_text(node: ast.AST) -> int:
    """Uses in annotations that stand in quotes."""
    texts = (getattr(node, "annotation", None), getattr(node, "returns", None))
    return sum(_uses(text.value) for text in texts if isinstance(text, ast.Constant) and isinstance(text.value, str))


def main() -> None:
    """Print the files that use it most first, and the sum."""
    counts = count_any()
    for file, count in counts.most_common():
        if count:
            print(f"{count:4} {file}")
    print(f"{sum(counts.values()):4} in all")


if __name__ == "__main__":
    main()
