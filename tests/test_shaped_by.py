"""What shapes a result makes it anew when it changes, and nothing else does: packages, families, code of plugins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import core.process.versions
from backends.ort.options import STYLE
from core.kinds.lookup import Origin
from core.kinds.stage import Stage
from core.planning.keys import key_of
from core.planning.planner import make_plan
from core.plugins import code as codes
from core.plugins.code import helper_modules
from tests.support import toys
from tests.support.media_tools import write_pictures
from tests.support.runs import Done, Program, plugins
from tests.support.yolov5_tools import tiny_checkpoint

TRAIN = (
    "+stage=[toy,train]", "toy.train=8", "toy.val=4", "toy.imgsz=64", "model=yolov5n", "weights=null", "imgsz=64",
    "train.epochs=1", "train.batch=4", "train.workers=0", "train.plots=false", "train.autoanchor=false",
    "tracker=null", "device=cpu",
)  # fmt: skip
BUILD = ("+stage=build", "weights=tiny.safetensors", "imgsz=64", "precision=int8", "calibrate.source=images")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The program, its store filled by one training and one INT8 engine."""
    folder = tmp_path_factory.mktemp("shaped")
    tiny_checkpoint(folder / "tiny.safetensors")
    write_pictures(folder / "images", ["0.png", "1.png"], 48, 64)
    return Program(folder)


@pytest.fixture
def run(program: Program, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    monkeypatch.chdir(program.folder)
    return program.run


def made_anew(done: Done) -> set[str]:
    return {stage for stage, status in done.status.items() if status == "ran"}


def another_version(patch: pytest.MonkeyPatch, package: str) -> None:
    """Let ``package`` be installed in another version."""
    installed = core.process.versions._version
    patch.setattr(core.process.versions, "_version", lambda name: "999.0" if name == package else installed(name))


@pytest.mark.parametrize(
    ("package", "anew"),
    [
        ("pluggy", set()),
        ("hydra-core", set()),
        ("av", {"calibrate"}),
        ("torch", {"load", "export"}),
        ("onnxsim", {"export"}),
        ("onnx-graphsurgeon", {"quantize", "graft"}),
        ("onnxruntime", {"build"}),
        ("opencv-python", {"calibrate"}),
    ],
)
def test_another_package_makes_anew_what_it_shapes(
    run: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, package: str, anew: set[str]
) -> None:
    run(*BUILD)
    with monkeypatch.context() as patch:
        another_version(patch, package)
        assert made_anew(run(*BUILD)) == anew
    assert made_anew(run(*BUILD)) == set()


def test_a_checkpoint_is_kept_unless_its_trainer_changes(
    run: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(*TRAIN)
    for package in ("pluggy", "av", "hydra-core", "onnxruntime", "onnx"):
        with monkeypatch.context() as patch:
            another_version(patch, package)
            assert "train" not in made_anew(run(*TRAIN)), package
    with monkeypatch.context() as patch:
        patch.setattr("platform.python_version", lambda: "3.99.9")
        assert "train" not in made_anew(run(*TRAIN))
    another_version(monkeypatch, "torch")
    assert "train" in made_anew(run(*TRAIN))


def of_another_version(patch: pytest.MonkeyPatch, kind: str, name: str, **changes: object) -> None:
    """Let the part have been registered by another release of its distribution."""
    parts = plugins().registry._parts[kind]
    part, origin = parts[name]
    patch.setitem(parts, name, (part, replace(origin, **({"version": "999.0"} | changes))))


@pytest.mark.parametrize(
    ("kind", "name", "anew"),
    [
        ("models", "yolov5", {"load", "export"}),
        ("calibrators", "percentile", {"calibrate"}),
        ("grafts", "yolo_layer", {"graft"}),
        ("quantizers", "qdq", {"quantize"}),
        ("stages", "export", {"export"}),
    ],
)
def test_another_release_of_a_plugin_makes_anew_what_it_shapes(
    run: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, kind: str, name: str, anew: set[str]
) -> None:
    run(*BUILD)
    of_another_version(monkeypatch, kind, name)
    assert made_anew(run(*BUILD)) == anew


@pytest.mark.parametrize(
    ("option", "anew"),
    [
        ("runtimes.onnxruntime.optimisation=extended", {"calibrate", "build"}),
        ("runtimes.tensorrt.workspace=2", set()),  # of another runtime
    ],
)
def test_an_option_of_the_runtime_makes_no_other_quantised_model(
    run: Callable[..., Done], option: str, anew: set[str]
) -> None:
    run(*BUILD)
    assert made_anew(run(*BUILD, option)) == anew


@pytest.mark.parametrize(
    ("changes", "anew"),
    [
        ({"qdq": replace(STYLE, shortcut=not STYLE.shortcut)}, {"quantize"}),
        ({"fixed_sizes": True}, {"quantize"}),
        ({"engine_suffix": ".ort"}, set()),
    ],
)
def test_the_rules_of_a_runtime_shape_the_quantised_model(
    run: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, changes: dict[str, object], anew: set[str]
) -> None:
    run(*BUILD)
    parts = plugins().registry._parts["runtimes"]
    runtime, origin = parts["onnxruntime"]
    monkeypatch.setitem(parts, "onnxruntime", (replace(runtime, **changes), origin))
    assert made_anew(run(*BUILD)) & {"calibrate", "quantize"} == anew


def test_another_release_of_a_family_trains_again(run: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
    run(*TRAIN)
    of_another_version(monkeypatch, "models", "yolov5")
    assert "train" in made_anew(run(*TRAIN))


# --- code that has no version of its own ---------------------------------------------------------------------


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An importable package."""
    folder = tmp_path / "edited_in_place"
    (folder / "inner").mkdir(parents=True)
    for name in ("__init__.py", "plugin.py", "inner/__init__.py", "inner/rounding.py"):
        (folder / name).write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


@pytest.mark.parametrize("changed", ["plugin.py", "inner/rounding.py", "inner/new.py", "table.json"])
def test_the_whole_package_counts(package: Path, changed: str) -> None:
    before = codes.code_digest("edited_in_place")
    (package / changed).write_text("VALUE = 2\n")
    assert codes.code_digest("edited_in_place") != before


@pytest.mark.parametrize("left", ["__pycache__/plugin.pyc", ".git/index", "inner/.hidden"])
def test_files_that_are_not_code_do_not_count(package: Path, left: str) -> None:
    before = codes.code_digest("edited_in_place")
    (package / left).parent.mkdir(exist_ok=True)
    (package / left).write_text("x")
    assert codes.code_digest("edited_in_place") == before


def test_a_single_module_and_a_missing_one(package: Path) -> None:
    (package.parent / "alone.py").write_text("VALUE = 1\n")
    before = codes.code_digest("alone")
    (package.parent / "alone.py").write_text("VALUE = 2\n")
    assert codes.code_digest("alone") != before
    assert codes.code_digest("not_there") == codes.code_digest("not_there_either")


SINGLE = """
import json, near.part
from hookline import hookimpl
def load(options):
    import heavy
    return importlib.import_module("named"), found_at("later.checks:look")
"""


@pytest.fixture
def single(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a module that imports others next to it, and of more that it does not import."""
    (tmp_path / "single.py").write_text(SINGLE)
    (tmp_path / "heavy.py").write_text("from behind import value\nfrom . import unused\nimport single\n")
    for name in ("behind.py", "named.py", "later/__init__.py", "later/checks.py", "near/__init__.py", "near/part.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("VALUE = 1\n")
    for name in ("unused.py", "near/.hidden", "other/__init__.py", "broken.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("def")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("changed", "counts"),
    [
        ("single.py", True),
        ("heavy.py", True),
        ("behind.py", True),
        ("named.py", True),
        ("later/checks.py", True),
        ("near/part.py", True),
        ("near/table.json", True),
        ("near/.hidden", False),
        ("unused.py", False),
        ("other/__init__.py", False),
        ("broken.py", False),
    ],
)
def test_modules_that_a_single_module_imports_from_its_directory_count(
    single: Path, changed: str, counts: bool
) -> None:
    before = codes.code_digest("single")
    with (single / changed).open("a") as file:
        file.write("# changed\n")
    assert (codes.code_digest("single") != before) is counts


def test_modules_next_to_an_installed_one_belong_to_others(single: Path) -> None:
    (single / "other-1.0.dist-info").mkdir()
    before = codes.code_digest("single")
    (single / "heavy.py").write_text("VALUE = 2\n")
    assert codes.code_digest("single") == before


@pytest.mark.parametrize("content", [b"import heavy\n" * 3 + b"def(", b"\0", b"\xff", b"(" * 100_000])
def test_a_module_that_cannot_be_read_is_alone(single: Path, content: bytes) -> None:
    (single / "single.py").write_bytes(content)
    before = codes.code_digest("single")
    (single / "heavy.py").write_text("VALUE = 2\n")
    assert codes.code_digest("single") == before


def test_hookline_is_no_helper_of_a_module_in_its_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text("import hookline\nfrom core.kinds.stage import Stage\nimport helper\n")
    for name in ("hookline", "core", "helper"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    assert len(list(helper_modules(tmp_path / "mine.py"))) == 3
    assert all((codes.HOME / name).is_dir() for name in codes.OURS)
    monkeypatch.setattr("core.plugins.code.HOME", tmp_path)
    assert list(helper_modules(tmp_path / "mine.py")) == [tmp_path / "helper"]


@pytest.mark.parametrize("installed", [False, True])
@pytest.mark.parametrize("kind", ["stages", "runtimes"])
def test_the_code_of_a_plugin_is_in_the_key_where_its_version_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: Path, kind: str, installed: bool
) -> None:
    monkeypatch.setattr("core.planning.keys.is_edited_in_place", lambda distribution, name: False)
    registry, distribution = toys.registry(), "d" if installed else "$HOOKLINE_PLUGINS"
    for name, (part, _) in list(registry._parts[kind].items()):
        registry._parts[kind][name] = (
            part,
            Origin("p", distribution, "1", "edited_in_place"),
        )
    context = toys.context(tmp_path, registry)
    step = make_plan(["quantize"], toys.configs(), context).steps[-1]
    before = key_of(step, {}, context)
    (package / "inner" / "rounding.py").write_text("VALUE = 2\n")
    assert (key_of(step, {}, context) != before) is not installed


def test_an_editable_installation_is_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: Path) -> None:
    site = tmp_path / "site"
    info = site / "edited-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: edited\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(site))
    (site / "copied").mkdir()
    (site / "copied" / "__init__.py").write_text("")
    edited_in_place = codes.is_edited_in_place.__wrapped__
    assert edited_in_place("edited", "copied")  # no RECORD: a build left this in a checkout
    (info / "RECORD").write_text("")
    assert not edited_in_place("edited", "copied")
    assert edited_in_place("edited", "edited_in_place")  # its code is outside the installation
    (info / "direct_url.json").write_text('{"url": "file:///x", "dir_info": {"editable": true}}')
    assert edited_in_place("edited", "copied")


def test_every_stored_stage_of_ours_names_what_shapes_it() -> None:
    """Those without packages work with nothing but our own code."""
    silent = {stage.name for stage in plugins().registry.all(Stage).values() if stage.stored and not stage.packages}
    assert silent == {"load", "quantize", "graft", "build"}  # their parts name them
    assert isinstance(next(iter(plugins().registry.all(Stage).values())), Stage)
