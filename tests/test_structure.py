"""The structure of the packages: no circles, files of one thought, one class per name (docs/architecture.md)."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.structure import MAX_LINES, circles, imports_of, modules_of, needless_imports, repeated_classes, rooms_of
from tests.support.commands import run_python
from tests.support.packages import PACKAGES, ROOT

MODULES = modules_of()
GRAPH = imports_of(MODULES)

TOO_LONG: frozenset[str] = frozenset()
"""Files that are still longer than ``MAX_LINES``. Remove them; add none."""
REPEATED: frozenset[str] = frozenset()
"""Class names that two files still share. Remove them; add none."""

STAGES = sorted(path.parent.name for path in (ROOT / "stages").glob("*/config.py"))


def write_package(root: Path, **files: str) -> Path:
    (root / "core").mkdir()
    for name, code in files.items():
        (root / "core" / f"{name}.py").write_text(code)
    return root


def test_circles_are_found_wherever_the_import_stands(tmp_path: Path) -> None:
    one = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from core.two import B\n"
    two = "def late():\n    import core.three\n"
    root = write_package(tmp_path, one=one, two=two, three="from core import one\n", four="import core.one\n")
    assert circles(imports_of(modules_of(root))) == [["core.one", "core.three", "core.two"]]


def test_no_module_imports_itself_through_others() -> None:
    assert circles(GRAPH) == []


def test_no_package_imports_itself_through_others() -> None:
    assert circles(rooms_of(GRAPH)) == []


def test_no_file_is_too_long() -> None:
    long = {str(module.path) for module in MODULES if module.lines > MAX_LINES}
    assert long <= TOO_LONG, f"split by thought: {sorted(long - TOO_LONG)}"
    assert long == TOO_LONG, f"no longer too long, take them out of TOO_LONG: {sorted(TOO_LONG - long)}"


def test_the_tests_of_a_package_have_its_name() -> None:
    folders = [
        folder.relative_to(ROOT / "tests")
        for package in PACKAGES
        for folder in (ROOT / "tests" / package).rglob("*")
        if (folder / "__init__.py").is_file()
    ]
    assert Path("stages/build") in folders
    assert [str(folder) for folder in folders if not (ROOT / folder / "__init__.py").is_file()] == []


ALONE = frozenset({"hookline/script.py", "core/process/installation.py"})
"""Files that are loaded before it is known that our packages are not those of another distribution."""


def test_an_import_inside_a_function_saves_something(tmp_path: Path) -> None:
    code = "import sys, core.run; from core.plugins.loading import load_plugins; load_plugins(); print(*sys.modules)"
    started = frozenset(run_python("-c", code, cwd=tmp_path).stdout.split())
    assert {"core.run", "stages.build"} <= started
    found = needless_imports(MODULES, started)
    assert [line for line in found if line.partition(":")[0] not in ALONE] == [], "import it at the top"


@pytest.mark.parametrize(
    ("two", "found"),
    [
        ("import json\ndef late():\n    import json\n", True),
        ("import core.three\ndef late():\n    from core.three import x\n", True),
        ("from core import three\ndef late():\n    import sqlite3\n", True),
        ("import core.three\ndef late():\n    from core import one\n", False),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import json\ndef late():\n    import json\n", False),
        ("import xml\ndef late():\n    import xml.dom\n", False),
        ("def late():\n    import time\n", True),
    ],
)
def test_a_needless_import_is_found(tmp_path: Path, two: str, found: bool) -> None:
    root = write_package(tmp_path, __init__="", one="", two=two, three="import sqlite3\nx = 1\n")
    places = [line.rpartition(": ")[0] for line in needless_imports(modules_of(root), frozenset({"time"}))]
    assert [place.partition(":")[0] for place in places] == (["core/two.py"] if found else [])


def test_the_project_file_names_all_packages() -> None:
    """TOML cannot refer to a list; each of these is also a literal of Python."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lists = re.findall(r"^(include|packages|root_packages) = (\[.*\])$", text, re.MULTILINE)
    named = {key: sorted(name.rstrip("*") for name in ast.literal_eval(value)) for key, value in lists}
    assert named.keys() == {"include", "packages", "root_packages"}
    assert [key for key, names in named.items() if names != sorted(PACKAGES)] == []


def test_the_pages_and_the_contract_name_the_same_layers() -> None:
    """Those of docs/architecture.md and CONTRIBUTING.md, from the highest layer down, and those of import-linter."""
    contract = re.search(
        r"^layers = (\[.*?^\])$", (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert contract
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", page, re.MULTILINE)
    layers = [set(layer.split(" | ")) for layer in ast.literal_eval(contract[1])]
    assert [set(re.findall(r"`(\w+)`", packages)) for _, packages in rows] == layers
    assert [int(number) for number, _ in rows] == list(reversed(range(len(layers))))
    summary = re.search(r"`run` > .*? > the rest", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.DOTALL)
    assert summary
    assert [set(re.findall(r"`(\w+)`", part)) for part in summary[0].split(">")] == [*layers[:-1], set()]


def test_no_two_classes_share_a_name() -> None:
    repeated = repeated_classes(MODULES)
    assert repeated.keys() == REPEATED, {name: files for name, files in repeated.items() if name not in REPEATED}


def test_a_repeated_class_is_found(tmp_path: Path) -> None:
    root = write_package(tmp_path, one="class Profile: ...\n", two="class _Profile: ...\n")
    assert repeated_classes(modules_of(root)) == {"Profile": ["core/one.py", "core/two.py"]}


@pytest.mark.parametrize("stage", STAGES)
def test_the_files_of_a_stage_do_not_import_its_descriptor(stage: str) -> None:
    children = {name: targets for name, targets in GRAPH.items() if name.startswith(f"stages.{stage}.")}
    assert [name for name, targets in children.items() if f"stages.{stage}" in targets] == []


@pytest.mark.parametrize("stage", STAGES)
def test_the_function_of_a_stage_calls_the_module_that_does_its_work(stage: str) -> None:
    """A reader who opens ``stages/export`` finds the work in ``exporting.py``; the descriptor stays light."""
    module = next(module for module in MODULES if module.name == f"stages.{stage}")
    functions = {node.name: node for node in module.tree.body if isinstance(node, ast.FunctionDef)}
    _docstring, imported, returned = functions[stage].body
    assert isinstance(imported, ast.ImportFrom)
    assert re.fullmatch(rf"stages\.{stage}\.[a-z]+ing", str(imported.module))
    assert isinstance(returned, ast.Return)
    assert isinstance(returned.value, ast.Call)
    assert isinstance(returned.value.func, ast.Name)
    assert returned.value.func.id == imported.names[0].name
