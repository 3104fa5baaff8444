"""The pages for authors describe every public name, and the files and metrics of real runs."""

from __future__ import annotations

import builtins
import fnmatch
import importlib
import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

import pytest

import hookline
import hookline.checks
import hookline.ranges
import hookline.training
from hookline import testing

MODULES = (hookline, hookline.checks, hookline.ranges, hookline.training)
FOREIGN = {"Annotated", "Any", "Callable", "Collection", "Iterable", "Iterator", "Mapping", "Sequence", "Literal"} | {
    "AbstractContextManager", "Generic", "ModuleType", "NDArray", "Path", "PathLike", "ModelProto", "DataclassInstance"
}  # fmt: skip
"""Types of Python, NumPy and ONNX."""
SPELT_OUT = {"Image", "Weights", "Classes", "RunSummary", "ImplT_co", "DescribedT", "OptionsT", "DefaultT", "T"} | {
    "Padding", "Channels", "Depth",
}  # fmt: skip
"""Aliases that the text explains, and type variables."""


@pytest.fixture(scope="module")
def docs(repo_root: Path) -> Iterator[Path]:
    """The folder of the generators, on ``sys.path``."""
    sys.path.insert(0, str(repo_root / "docs"))
    yield repo_root / "docs"
    sys.path.remove(str(repo_root / "docs"))


@pytest.fixture(scope="module")
def author_pages(docs: Path) -> ModuleType:
    return importlib.import_module("author_pages")


@pytest.fixture(scope="module")
def left_files(docs: Path) -> ModuleType:
    return importlib.import_module("left_files")


@pytest.fixture(scope="module")
def files_page(docs: Path) -> ModuleType:
    return importlib.import_module("files_page")


def everything(author_pages: ModuleType) -> Iterator[tuple[str, str, object, str]]:
    for page in author_pages.PAGES.values():
        yield from author_pages.items(page)


def test_every_public_name_is_on_one_page(author_pages: ModuleType) -> None:
    shown = [(module, name) for module, name, _, _ in everything(author_pages) if module]
    assert sorted(shown) == sorted(set(shown))
    public = {(module.__name__, name) for module in MODULES for name in module.__all__}
    own = {name for name, item in vars(testing).items() if getattr(item, "__module__", "") == testing.__name__}
    public |= {("hookline.testing", name) for name in own if not name.startswith("_")}
    assert set(shown) == public


def test_every_name_has_a_heading_and_a_text_of_its_own(author_pages: ModuleType, docs: Path) -> None:
    for page_name, page in author_pages.PAGES.items():
        text = (docs / "authors" / f"{page_name}.md").read_text()
        for _, name, _, _ in author_pages.items(page):
            (section,) = re.findall(rf"^## `{name}`\n\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
            assert len(section.strip()) >= 10, name


def test_every_field_method_and_argument_is_explained(author_pages: ModuleType) -> None:
    lacking = []
    for _, name, item, text in everything(author_pages):
        if isinstance(item, type):
            lacking += [f"{name}.{field}" for field, _, _, what in author_pages.fields_of(item) if not what]
            lacking += [f"{name}.{method}" for method, member in author_pages.shown_members(item) if not member.__doc__]
        elif inspect.isfunction(item):
            explained = author_pages.entries(inspect.getdoc(item) or "", "Args")
            lacking += [f"{name}({given})" for given in inspect.signature(item).parameters if given not in explained]
        elif not text:
            lacking.append(name)
    assert lacking == []


def test_every_type_in_a_signature_is_on_a_page(author_pages: ModuleType) -> None:
    known = {name for _, name, _, _ in everything(author_pages)} | FOREIGN | SPELT_OUT | set(dir(builtins))
    found: dict[str, str] = {}
    for _, name, item, _ in everything(author_pages):
        for text in annotations(author_pages, item):
            bare = re.sub(r"'[^']*'|\"[^\"]*\"", "", text)
            found |= dict.fromkeys(re.findall(r"\b[A-Z]\w+", bare), name)
    assert {word: name for word, name in found.items() if word not in known} == {}


def annotations(author_pages: ModuleType, item: object) -> Iterator[str]:
    """Yield the annotations of a class or function on its page."""
    if isinstance(item, type):
        yield from (shown for _, shown, _, _ in author_pages.fields_of(item))
    functions = [member for _, member in author_pages.shown_members(item)] if isinstance(item, type) else [item]
    for function in functions:
        plain = function.fget if isinstance(function, property) else function
        if inspect.isfunction(plain):
            yield from (str(hint) for hint in plain.__annotations__.values())


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page, as on GitHub."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_links_lead_somewhere(docs: Path) -> None:
    missing = []
    for page in (*(docs / "authors").glob("*.md"), *(docs / "hooks").glob("*.md")):
        for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
            file, _, anchor = link.partition("#")
            target = (page.parent / file).resolve() if file else page
            if "://" not in link and not (target.exists() and (not anchor or anchor in anchors(target))):
                missing.append(f"{page.name}: {link}")
    assert missing == []


def test_there_is_no_page_besides(author_pages: ModuleType, docs: Path) -> None:
    names = {page.stem for page in (docs / "authors").glob("*.md")}
    assert names == {*author_pages.PAGES, "names", "files", "index"}


# --- files that stages leave ------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[hookline.RunResult]:
    """A training, a chain to a comparison, and a video."""
    folder = tmp_path_factory.mktemp("files")
    weights = testing.tiny_model(folder)
    given = [f"weights={weights.path}", f"data={testing.tiny_dataset(folder)}", "imgsz=64"]
    source = f"source={testing.tiny_dataset(folder).parent / 'images' / 'val'}"
    reference = testing.run("+stage=build", *given, folder=folder).artifacts["build"].path
    asked = "dataset,export,calibrate,quantize,graft,build,predict,evaluate,compare,doctor"
    low = ["graft.score_threshold=0.0001", "conf=0.0001", "predict.save_txt=true", "predict.save_csv=true"]
    line = [f"+stage=[{asked}]", *given, source, *low, "precision=int8", f"compare.reference={reference}"]
    chain = testing.run(*line, folder=folder)
    toy = testing.run("+stage=toy", *testing.TINY, folder=folder)
    convert = testing.run("+stage=convert", f"convert.source={testing.tiny_dataset(folder).parent}", folder=folder)
    training = testing.run("+stage=[toy,train]", *testing.TINY, *testing.TINY_TRAINING, folder=folder)
    return [chain, toy, convert, training]


def test_files_are_those_of_the_page(
    runs: list[hookline.RunResult], left_files: ModuleType, files_page: ModuleType
) -> None:
    found: set[str] = set()
    for run in runs:
        for stage, files in {"": files_page.RUN, **left_files.STAGES}.items():
            folder = run.folder / stage
            if stage and folder.is_dir():
                found.add(stage)
                check_folder(folder, [path for path in folder.rglob("*") if path.is_file()], files)
            elif not stage:
                check_folder(folder, [path for path in folder.iterdir() if path.is_file()], files)
    assert found == {*left_files.STAGES} - {"load", "frames"}


def check_folder(folder: Path, paths: list[Path], files: tuple[object, ...]) -> None:
    """Compare the files of a folder with the page."""
    matched: set[str] = set()
    for path in paths:
        name = path.relative_to(folder).as_posix()
        if name.endswith(".json") and (folder / name.removesuffix(".json")).is_file():
            continue  # a sidecar
        item = next((item for item in files if fnmatch.fnmatch(name, item.name)), None)
        assert item is not None, f"{folder.name}/{name} is on no page"
        matched.add(item.name)
        if item.keys:
            check_keys(json.loads(path.read_text()), item, f"{folder.name}/{name}")
    assert {item.name for item in files if not item.sometimes} - matched == set(), folder.name


def check_keys(content: object, item: object, place: str) -> None:
    """Compare the keys of a JSON file with the page."""
    rows = content if item.listed else [content]
    assert rows, f"{place} has no entry to compare"
    for row in rows:
        described = item.described()
        assert set(row) <= set(described), place
        assert set(described) - set(row) <= item.optional, place
    assert all(item.described().values()), f"{place}: a key is not explained"


def test_entries_of_summary_and_status_are_those_of_the_page(runs: list[hookline.RunResult]) -> None:
    summary = json.loads((runs[0].folder / "summary.json").read_text())
    for entry in summary["stages"]:
        assert set(entry) == {field.name for field in hookline.StageRecord.__dataclass_fields__.values()}
    assert set(summary["stages"][0]["artifact"]) == {"type", "path", "sha256"}


def test_sidecars_have_the_fields_of_the_artifact(runs: list[hookline.RunResult], files_page: ModuleType) -> None:
    seen = 0
    for run in runs:
        for artifact in run.artifacts.values():
            sidecar = artifact.path.with_name(f"{artifact.path.name}.json")
            if sidecar.is_file():
                seen += 1
                assert set(json.loads(sidecar.read_text())) == {*vars(artifact), *files_page.SIDECAR}
    assert seen >= 10


def test_figures_in_the_summary_are_those_of_the_page(runs: list[hookline.RunResult], files_page: ModuleType) -> None:
    metrics: dict[str, Mapping[str, object]] = {}
    for run in runs:
        metrics |= run.summary.metrics
    assert set(metrics) == set(files_page.VALUES)
    for stage, values in metrics.items():
        patterns = files_page.VALUES[stage]
        unknown = [name for name in values if not any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
        assert unknown == [], stage
        never = {name for name in patterns if not any(fnmatch.fnmatch(value, name) for value in values)}
        # Live streams, boxes that both models find, and data sets with ignore regions.
        assert never <= {"gaps", "mean_*", "ignore_regions", "ignored_boxes"}, stage


def test_every_stage_is_on_the_page(left_files: ModuleType) -> None:
    assert set(left_files.STAGES) == set(testing.load(shipped=True).parts("stages"))
