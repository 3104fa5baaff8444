"""Digest of hookline's own code, over a small checkout: what a package imports counts; each content is parsed once."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.plugins import imports
from core.plugins.imports import imported_modules
from core.plugins.own_code import own_code_digest

FILES = {
    "core/__init__.py": "",
    "core/direct.py": "from core.deep import inner",
    "core/deep/__init__.py": "",
    "core/deep/inner.py": "import json, numpy as np, missing, core.direct",
    "core/deep/other.py": "",
    "core/late.py": "",
    "core/named.py": "",
    "core/types.py": "",
    "core/unused.py": "",
    "stages/__init__.py": "",
    "stages/a/__init__.py": "def run():\n    from core.late import work",
    "stages/a/sub/work.py": "import core.direct\nimport_module('core.named')",
    "stages/a/table.json": "{}",
    "stages/a/.hidden": "",
    "stages/a/__pycache__/work.pyc": "",
    "stages/b/__init__.py": "if TYPE_CHECKING:\n    from core.types import Type",
    "backends/__init__.py": "",
    "backends/gpu/__init__.py": "from cuda_plugins import loading, nms",
    "cuda_plugins/__init__.py": "",
    "cuda_plugins/loading.py": "",
    "cuda_plugins/nms.py": "import core.named",
    "cuda_plugins/other.py": "import core.unused",
    "cuda_plugins/kernels/nms.cu": "",
    "cuda_plugins/kernels/other.cu": "",
}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout in place of hookline's."""
    for name, text in FILES.items():
        file = tmp_path / "checkout" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.setattr("core.plugins.own_code.HOME", tmp_path / "checkout")
    return tmp_path / "checkout"


OF_A = {name for name in FILES if name.startswith(("stages/a/", "core/"))} - {
    "core/deep/other.py", "core/types.py", "core/unused.py", "stages/a/.hidden", "stages/a/__pycache__/work.pyc",
}  # fmt: skip
OF_GPU = {name for name in FILES if name.startswith("backends/")} | {
    "core/__init__.py", "core/named.py", "cuda_plugins/__init__.py", "cuda_plugins/loading.py", "cuda_plugins/nms.py",
    "cuda_plugins/kernels/nms.cu",
}  # fmt: skip


@pytest.mark.parametrize(
    ("code", "counted"),
    [
        ("stages.a", OF_A | {"stages/__init__.py"}),
        ("stages.b", {"stages/__init__.py", "stages/b/__init__.py"}),
        ("core.late", {"core/__init__.py", "core/late.py"}),
        ("backends.gpu", OF_GPU),
    ],
)
def test_the_files_that_a_package_runs_count(checkout: Path, code: str, counted: set[str]) -> None:
    found, before = set(), own_code_digest(code)
    for name in FILES:
        with (checkout / name).open("a") as file:
            file.write(" ")
        after = own_code_digest(code)
        if after != before:
            found.add(name)
        before = after
    assert found == counted


def test_a_new_file_of_the_package_counts_and_a_removed_one(checkout: Path) -> None:
    before = own_code_digest("stages.a")
    (checkout / "stages/a/new.py").touch()
    assert own_code_digest("stages.a") != before
    (checkout / "stages/a/new.py").unlink()
    assert own_code_digest("stages.a") == before
    (checkout / "core/late.py").unlink()
    assert own_code_digest("stages.a") != before


def test_a_new_import_counts(checkout: Path) -> None:
    (checkout / "core/late.py").write_text("import core.unused")
    before = own_code_digest("stages.a")
    (checkout / "core/unused.py").write_text("VALUE = 1")
    assert own_code_digest("stages.a") != before


def test_the_place_of_the_checkout_does_not_count(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = own_code_digest("stages.a")
    checkout.rename(checkout.with_name("moved"))
    monkeypatch.setattr("core.plugins.own_code.HOME", checkout.with_name("moved"))
    assert own_code_digest("stages.a") == before


@pytest.mark.parametrize("damaged", [False, True])
def test_each_content_is_parsed_once(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: bool
) -> None:
    parsed: list[str] = []

    def counted(file: Path) -> list[str]:
        parsed.append(file.relative_to(checkout).as_posix())
        return imported_modules(file)

    monkeypatch.setattr("core.plugins.imports.imported_modules", counted)
    if damaged:
        (tmp_path / imports.CACHE_NAME).write_text("no database")
    before = own_code_digest("stages.a", tmp_path)
    assert sorted(parsed) == sorted(name for name in OF_A | {"stages/__init__.py"} if name.endswith(".py"))
    parsed.clear()
    (checkout / "core/late.py").write_text("VALUE = 1")  # the files are looked at again
    assert own_code_digest("stages.a", tmp_path) != before
    assert parsed == ["core/late.py"]


def test_what_another_reader_found_is_not_used(checkout: Path, tmp_path: Path) -> None:
    with imports.import_cache(tmp_path, "old") as cache:
        cache._new.append(("digest", "old", "core.unused"))
    file = checkout / "core/direct.py"
    for reader, found in (("old", ["core.unused"]), ("new", ["core.deep.inner"])):
        with imports.import_cache(tmp_path, reader) as cache:
            assert cache.modules(file, "digest") == found


@pytest.mark.parametrize(
    ("source", "modules"),
    [
        ("import a.b, c as d", ["a.b", "c"]),
        ("from a.b import c, d as e", ["a.b.c", "a.b.d"]),
        ("from . import a\nfrom .b import c", []),
        ("class A:\n    def f(self):\n        import a", ["a"]),
        ("if TYPE_CHECKING:\n    import a\nelse:\n    import b", ["b"]),
        ("if typing.TYPE_CHECKING:\n    import a\nelif x:\n    import b", ["b"]),
        ("if not TYPE_CHECKING:\n    import a", ["a"]),
        ("importlib.import_module('a.b')\nfound_at('c.d:e')\n__import__('f')\nopen('g')", ["a.b", "c.d", "f"]),
        ("import_module(name)\nimport_module(1)\nimport_module()", []),
        ("import a\ndef(", []),
    ],
)
def test_the_modules_that_source_imports(tmp_path: Path, source: str, modules: list[str]) -> None:
    (tmp_path / "source.py").write_text(source)
    assert sorted(imported_modules(tmp_path / "source.py")) == modules
