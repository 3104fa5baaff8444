"""The documentation agrees with the code."""

from __future__ import annotations

import ast
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from core.detections import DEFAULT_CONF, DEFAULT_IOU
from core.evaluation import CONF, IOU
from core.kinds.lookup import Origin
from core.kinds.table import KINDS
from core.options.ranges import PositiveFloat
from tests.structure import modules_of
from tests.support import grid_family
from tests.support.packages import PACKAGES


@pytest.fixture(scope="module")
def generate(repo_root: Path) -> ModuleType:
    """The module docs/generate.py."""
    spec = importlib.util.spec_from_file_location("generate", repo_root / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_hook_has_a_page_with_its_signature_and_an_example(generate: ModuleType, repo_root: Path) -> None:
    for name, hook in generate.hooks().items():
        page = (repo_root / "docs" / "hooks" / f"{name.removeprefix('hookline_')}.md").read_text()
        assert page.startswith(f"# `{generate.heading(hook)}`")
        assert f"@hookimpl\ndef {name}(" in page


def test_pages_of_hooks_link_to_the_types_that_the_pages_for_authors_describe(
    generate: ModuleType, repo_root: Path
) -> None:
    for kind, (descriptor, _) in KINDS.items():
        page = (repo_root / "docs" / "hooks" / f"{kind}.md").read_text()
        assert "| field |" not in page
        for described in (descriptor, *generate.PROTOCOLS.get(kind, ())):
            assert f"[`{described.__name__}`](../authors/" in page


def test_generated_pages_are_current(generate: ModuleType, repo_root: Path) -> None:
    stale = [str(name) for name, text in generate.pages().items() if (repo_root / "docs" / name).read_text() != text]
    assert stale == [], "run: make docs"


@dataclass
class Options:
    """Options of a family.

    Attributes:
        lr0: Learning rate of the other family.
    """

    lr0: PositiveFloat = 0.5


def test_training_options_stand_under_their_family(generate: ModuleType) -> None:
    registry = generate.load_plugins().registry
    family = grid_family.family(name="other", training=Options)
    registry.add("models", family, Origin("other", "other", "1"))
    text = generate.configuration(registry)
    _, yolov5, other = re.split(r"### Models of the family \w+\n", text)
    assert "| `train.lr0` | `0.01` | above 0 | " in yolov5
    assert "| `train.lr0` | `0.5` | above 0 | Learning rate of the other family. |" in other.partition("\n## ")[0]
    assert "| `train.training`" not in text


def test_every_option_is_explained(generate: ModuleType) -> None:
    text = generate.configuration(generate.load_plugins().registry)
    assert [line for line in text.splitlines() if line.startswith("| `") and line.endswith("|  |")] == []


def test_options_state_the_thresholds_that_null_stands_for(generate: ModuleType) -> None:
    text = generate.configuration(generate.load_plugins().registry)
    stated = re.findall(r"^\| `(\w+)\.(conf|iou)` .* null: (\d\.\d+)\b", text, re.MULTILINE)
    predicted = {"conf": DEFAULT_CONF, "iou": DEFAULT_IOU}
    defaults = {"predict": predicted, "compare": predicted, "evaluate": {"conf": CONF, "iou": IOU}}
    found = {stage: {name: float(value) for given, name, value in stated if given == stage} for stage in defaults}
    assert found == defaults


def test_sections_of_docstrings_are_indented() -> None:
    """An entry at the level of its title is missing from ``--help`` and from the generated pages."""
    flat = re.compile(r"^(Attributes|Args|Raises|Returns|Yields):\n\S", re.MULTILINE)
    documented = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = {
        f"{module.path}:{node.lineno}"
        for module in modules_of()
        for node in ast.walk(module.tree)
        if isinstance(node, documented) and flat.search(ast.get_docstring(node) or "")
    }
    assert found == set()


def test_documents_that_the_code_names_exist(repo_root: Path) -> None:
    named: set[str] = set()
    for folder in (*PACKAGES, "tests", "benchmarks", "examples"):
        for path in (repo_root / folder).rglob("*"):
            if path.suffix in {".py", ".yaml"}:
                named |= set(re.findall(r"docs/[\w/]+\.(?:md|py)", path.read_text(encoding="utf-8")))
    assert "docs/contracts.md" in named
    assert {name for name in named if not (repo_root / name).exists()} == set()


FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings of a page, by GitHub's rules."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def test_links_lead_to_a_file_and_a_heading(repo_root: Path) -> None:
    broken = []
    for page in (*repo_root.glob("*.md"), *(repo_root / "docs").rglob("*.md")):
        for link in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", page.read_text(encoding="utf-8"))):
            name, _, anchor = link.partition("#")
            target = page.parent / name if name else page
            if "://" not in link and not (target.exists() and (not anchor or anchor in anchors(target))):
                broken.append(f"{page.relative_to(repo_root)}: {link}")
    assert broken == []


def test_options_of_benchmarks_in_the_pages_exist(repo_root: Path) -> None:
    named = set()
    for page in (repo_root / "docs").glob("*.md"):
        for module, rest in re.findall(r"python -m (benchmarks\.[\w.]+)([^`]*)`", page.read_text(encoding="utf-8")):
            named |= {(module, option) for option in re.findall(r"(?<!\S)--\w+", rest)}
    assert ("benchmarks.loader", "--rounds") in named
    sources = {
        module: (repo_root / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8") for module, _ in named
    }
    assert {(module, option) for module, option in named if f'"{option}"' not in sources[module]} == set()
