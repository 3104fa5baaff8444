"""Examples and third-party plugins import only the package hookline, and the examples run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import hookline.checks
import hookline.ranges
import hookline.training
from core.process import installation
from tests.support.media_tools import write_pictures
from tests.support.yolov5_tools import tiny_checkpoint

OURS = {*installation.PACKAGES, "tests", "benchmarks"}
SUBMODULES = {"checks", "ranges", "testing", "training"}
FENCE = re.compile(r"^```(?:python|py)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(page: Path) -> list[str]:
    """Return the Python code blocks of a page."""
    return FENCE.findall(page.read_text(encoding="utf-8"))


def outside_code(root: Path) -> Iterator[tuple[str, str]]:
    """Yield the place and the text of all examples and third-party plugins."""
    for file in (*(root / "examples").rglob("*.py"), *(root / "tests" / "plugins").glob("*/**/*.py")):
        yield str(file.relative_to(root)), file.read_text(encoding="utf-8")
    for page in (*root.glob("*.md"), *(root / "docs").rglob("*.md")):
        for number, code in enumerate(blocks(page)):
            yield f"{page.relative_to(root)}, block {number}", code


def imported(code: str) -> Iterator[tuple[str, str]]:
    """Yield (module, name) of every import; the name is empty for ``import module``."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from ((item.name, "") for item in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", item.name) for item in node.names)


def test_outside_code_imports_hookline_alone(repo_root: Path) -> None:
    found = list(outside_code(repo_root))
    assert {"README.md", "docs/python.md", "docs/hooks/stages.md"} <= {place.split(",")[0] for place, _ in found}
    strangers = {
        (place, module)
        for place, code in found
        for module, _ in imported(code)
        if module.split(".")[0] in OURS or re.search(r"import_module\(.(core|stages|backends)\b", code)
    }
    assert strangers == set()


def test_what_outside_code_imports_is_exported(repo_root: Path) -> None:
    public = {module.__name__: module for module in (hookline, hookline.checks, hookline.ranges, hookline.training)}
    missing = {
        (place, name)
        for place, code in outside_code(repo_root)
        for module, name in imported(code)
        if module in public and name and name not in {*public[module].__all__, *SUBMODULES}
    }
    assert missing == set()


def test_no_page_sends_an_author_to_another_package(repo_root: Path) -> None:
    """Generated pages do not name modules of core."""
    folders = (repo_root / "docs" / "hooks", repo_root / "docs" / "authors")
    pages = [*(page for folder in folders for page in folder.glob("*.md")), repo_root / "docs" / "python.md"]
    found = {(page.name, name) for page in pages for name in re.findall(r"`core\.[\w.]+`", page.read_text())}
    assert found == set()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the files in the examples."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOOKLINE_HOME", str(tmp_path / "home"))
    tiny_checkpoint(tmp_path / "best.safetensors")
    write_pictures(tmp_path / "images", [f"{number}.png" for number in range(3)], 64, 96)
    write_pictures(tmp_path, ["bus.png"], 64, 96)
    return tmp_path


def runnable(code: str) -> str:
    """The code of a page, for the files of the fixture."""
    return code.replace("best.pt", "best.safetensors").replace("bus.jpg", "bus.png")


@pytest.mark.slow
def test_the_section_from_python_of_the_readme_runs(
    repo_root: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (repo_root / "README.md").read_text(encoding="utf-8")
    section = text.partition("## From Python\n")[2].partition("\n## ")[0]
    three, build = FENCE.findall(section)
    lines = [line for line in three.splitlines() if line and not line.startswith("import")]
    assert len(lines) == 3
    assert len(build.splitlines()) < 10
    names = {"image": hookline.read_image(folder / "bus.png")}
    exec(runnable(three + build), names)
    assert isinstance(names["found"], hookline.NamedDetections)
    assert names["engine"].precision is hookline.Precision.int8
    assert capsys.readouterr().out
    assert {item.name for item in folder.iterdir()} == {"best.safetensors", "bus.png", "home", "images", "outputs"}


@pytest.mark.slow
def test_the_page_for_python_runs(repo_root: Path, folder: Path) -> None:
    names: dict[str, object] = {"image": hookline.read_image(folder / "bus.png")}
    for code in blocks(repo_root / "docs" / "python.md"):
        if "# test_" not in code:  # a file of tests, which tests/hookline/test_testing.py runs
            exec(runnable(code), names)
    assert isinstance(names["result"], hookline.RunResult)
