"""Every text file and every pipe has an explicit encoding, because the encoding of the locale may lack characters."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.support.packages import PACKAGES, ROOT

FOLDERS = (*PACKAGES, "docs", "examples", "benchmarks")
TEXT_AT = {"read_text": 0, "write_text": 1}
"""Position of the argument ``encoding`` by function."""


def calls_without_encoding(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and name of each call that opens text without an encoding."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        words = {keyword.arg: keyword.value for keyword in node.keywords}
        if "encoding" in words:
            continue
        file = name in TEXT_AT and len(node.args) <= TEXT_AT[name]
        opened = name in {"open", "fdopen"} and opens_text(node, words)
        pipe = is_true(words.get("text")) or is_true(words.get("universal_newlines"))
        if file or opened or pipe:
            yield node.lineno, name


def opens_text(call: ast.Call, words: dict[str | None, ast.expr]) -> bool:
    """Return whether ``open``, ``path.open`` or ``os.fdopen`` opens text; other methods of this name have no mode."""
    is_method = isinstance(call.func, ast.Attribute) and call.func.attr == "open"
    arguments = call.args if is_method else call.args[1:]
    mode = words.get("mode", arguments[0] if arguments else None)
    if mode is None:
        return not (is_method and (call.args or words))
    value = mode.value if isinstance(mode, ast.Constant) else None
    return isinstance(value, str) and set(value) <= set("rwaxt+") and "b" not in value


def is_true(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Constant) and value.value is True


@pytest.mark.parametrize("folder", FOLDERS)
def test_text_has_an_explicit_encoding(folder: str) -> None:
    found = [
        f"{file.relative_to(ROOT)}:{line}: {name}"
        for file in sorted((ROOT / folder).rglob("*.py"))
        for line, name in calls_without_encoding(file.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("path.read_text()", True),
        ("path.read_text('utf-8')", False),
        ("path.read_text(errors='replace')", True),
        ("path.write_text(text)", True),
        ("path.write_text(text, encoding='utf-8')", False),
        ("path.open()", True),
        ("path.open('w')", True),
        ("path.open('wb')", False),
        ("path.open(newline='', mode='a')", True),
        ("path.open('w', encoding='utf-8')", False),
        ("open(path)", True),
        ("open(path, 'rb')", False),
        ("os.fdopen(handle, 'w')", True),
        ("os.fdopen(handle, 'rb')", False),
        ("os.open(path, os.O_RDONLY)", False),
        ("runtime.open(model, device='cpu')", False),
        ("subprocess.run(['a'], text=True)", True),
        ("subprocess.run(['a'], text=True, encoding='utf-8')", False),
        ("subprocess.run(['a'])", False),
    ],
)
def test_the_test_sees_them(source: str, found: bool) -> None:
    assert bool(list(calls_without_encoding(source))) is found
