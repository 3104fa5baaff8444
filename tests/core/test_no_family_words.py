"""Core and stages support every model family and name none of them."""

from __future__ import annotations

from pathlib import Path

import pytest

ALLOWED = {
    "core/fetch/assets.py": "the package on the index with the sample images",
    "core/plugins/discovery.py": "the list of shipped plugins",
    "core/storage/validation.py": "the only family of files of schema 1",
    "core/config/usage.py": "examples in --help",
    "stages/train/config.py": "example of an option",
}
HEADS = {"core/options/model_form.py", "core/kinds/model.py", "stages/evaluate/__init__.py"}
"""Files in which ``"heads"`` is the form of a model before the graft, or the default name of a layout."""


@pytest.mark.parametrize("package", ["core", "stages"])
@pytest.mark.parametrize("word", ["yolov5", '"p3"', 'f"p{', ".anchors", '"anchors"', '"heads"', '"classic"'])
def test_no_word_of_a_family(repo_root: Path, package: str, word: str) -> None:
    files = [file.relative_to(repo_root) for file in sorted((repo_root / package).rglob("*.py"))]
    found = [str(file) for file in files if word in (repo_root / file).read_text(encoding="utf-8").lower()]
    assert [file for file in found if file not in ALLOWED and not (word == '"heads"' and file in HEADS)] == []
