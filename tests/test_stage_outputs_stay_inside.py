"""Names in annotations, data sets, models and plugins, and names of run directories: every output stays inside."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from backends.graphsurgeon.plugin import hookline_grafts, hookline_quantizers
from backends.ort.plugin import hookline_runtimes
from backends.yolov5.checkpoint import save
from backends.yolov5.plugin import hookline_models
from core.artifacts import Artifact, OnnxModel, QuantizedModel
from core.execution.run_directory import run_directory
from core.files.paths import free_path, output_path
from core.kinds.context import RunContext
from core.kinds.table import check_part
from core.kinds.tracker import Tracker
from core.media.choices import MAX_PIXELS
from core.storage.incomplete import IncompleteWork, interrupted
from core.storage.store import Store, complete, write_sidecar
from stages.build import build
from stages.build.config import BuildConfig
from stages.convert import convert
from stages.convert.config import ConvertConfig, Link, Missing
from stages.dataset import dataset
from stages.dataset.config import Bad, DatasetConfig
from stages.graft import graft
from stages.graft.config import GraftConfig
from stages.load import load
from stages.quantize import quantize
from stages.quantize.config import QuantizeConfig
from tests.support.annotation_writers import coco, createml, labelimg, labelstudio, voc
from tests.support.dataset_tools import write_dataset
from tests.support.guarding import INSIDE, attempt, guarded, tree_names, write_tree
from tests.support.heads_tools import write_heads
from tests.support.hostile_names import file_name, text
from tests.support.snapshots import changes, snapshot
from tests.support.stage_tools import load_config, make_context
from tests.support.yolov5_tools import tiny_checkpoint, tiny_weights

BATCH, SEEDS = 50, 6


@pytest.mark.parametrize("write", [voc, coco, createml, labelimg, labelstudio])
def test_annotations(tmp_path: Path, write: Callable[..., dict[str, Any]]) -> None:
    """Half of the names are those of images, the others lead elsewhere; classes are hostile too."""
    done = [convert_hostile(tmp_path / str(seed), write, random.Random(300 + seed)) for seed in range(SEEDS)]
    assert any(done)


def convert_hostile(root: Path, write: Callable[..., dict[str, Any]], chance: random.Random) -> bool:
    """Return whether the annotations were not refused as a whole."""
    source = root / "in"
    paths = write_tree(source, tree_names(chance, BATCH, (".png", ".jpg")))
    named = [str(path.relative_to(source)) if chance.random() < 0.5 else text(chance) for path in paths]
    # Names that are not Unicode are refused as a whole.
    classes = [text(chance).encode(errors="ignore").decode()[:1000] or "class" for _ in named]
    options = write(source, named, classes)
    done = False
    with guarded(root):
        for link in (Link.copy, Link.symlink):
            context, _ = make_context(root / INSIDE / link.value)
            config = ConvertConfig(
                source=str(source), missing=Missing.skip, link=link, max_pixels=MAX_PIXELS, **options
            )
            made = attempt(partial(convert, config, context))
            if made is not None:
                images, labels = (files_in(made.path.parent / kind) for kind in ("images", "labels"))
                assert len(images) == sum(made.splits.values())
                assert {file.with_suffix("") for file in images} == {file.with_suffix("") for file in labels}
                done = True
    return done


def files_in(folder: Path) -> list[Path]:
    return [path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir()]


def test_classes_and_files_of_data_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Matplotlib has its own cache; here it is inside the folder."""
    chance, made = random.Random(6), 0
    for number in range(8):
        root = tmp_path / str(number)
        monkeypatch.setenv("MPLCONFIGDIR", str(root / INSIDE))
        rows = {str(index): [(index, 0.5, 0.5, 0.2, 0.2)] for index in range(8)}
        names = [text(chance).encode(errors="ignore").decode() or "class" for _ in rows]
        data = write_dataset(root / "in", {"train": rows}, list(dict.fromkeys(names)))
        write_tree(root / "in" / "images" / "train", tree_names(chance, BATCH // 2, (".png", ".jpg"), utf8=True))
        with guarded(root):
            context, _ = make_context(root / INSIDE)
            config = DatasetConfig(str(data), Bad.skip, max_pixels=MAX_PIXELS, imgsz=640)
            made += attempt(partial(dataset, config, context)) is not None
    assert made


def test_an_image_whose_name_is_not_utf8_has_its_place_in_the_report(tmp_path: Path, repo_root: Path) -> None:
    data = write_dataset(tmp_path / "in", {"train": {"a": [(0, 0.5, 0.5, 0.2, 0.2)]}})
    for file in (*data.parent.rglob("a.png"), *data.parent.rglob("a.txt")):
        file.rename(file.with_stem("\udcff"))
    settings = os.environ | {"PYTHONPATH": str(repo_root), "HOOKLINE_HOME": str(tmp_path / "home")}
    line = [sys.executable, "-m", "core.run", "+stage=dataset", f"data={data}", f"hydra.run.dir={tmp_path / 'run'}"]
    done = subprocess.run(line, env=settings, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stderr


def test_variants_and_classes_in_models(tmp_path: Path) -> None:
    """From the metadata of weights through every stage that names a file after them."""
    chance = random.Random(4)
    (tmp_path / "in").mkdir()
    heads, weights, made = write_heads(tmp_path / "in" / "heads.onnx"), tiny_weights(), list[str]()
    parts = {"models": [*hookline_models()], "grafts": [*hookline_grafts()], "runtimes": [*hookline_runtimes()]}
    parts["quantizers"] = [*hookline_quantizers()]
    with guarded(tmp_path):
        for number in range(40):
            variant, names = text(chance), tuple(text(chance) for _ in heads.facts.names)
            context, _ = make_context(tmp_path / INSIDE / str(number), **parts)
            file = output_path(context.run_dir, file_name(chance, ".safetensors"))
            file.parent.mkdir()
            save(replace(weights, variant=variant, names=names[:3]), file)
            model = replace(heads, facts=replace(heads.facts, variant=variant, names=names))
            for work in (partial(load, load_config(str(file)), context), *chain_of(model, context)):
                artifact = attempt(work)
                if artifact is not None:
                    assert context.workdir in artifact.path.parents
                    write_sidecar(complete(artifact))
                    made.append(type(artifact).__name__)
    assert min(made.count(name) for name in ("Checkpoint", "QuantizedModel", "GraftedModel", "Engine")) > 15


def chain_of(model: QuantizedModel, context: RunContext) -> Iterator[Callable[[], Artifact]]:
    """quantize, graft and build, each on a model with the same facts."""
    kinds = {name: getattr(model, name) for name in ("facts", "contract", "layout", "precision")}
    plain = OnnxModel(path=model.path, **kinds)
    config = QuantizeConfig(backend="onnxruntime", quantizer="qdq", precision=model.precision)
    yield partial(quantize, config, plain, None, context)
    yield partial(graft, GraftConfig(decode="yolo_layer"), model, context)
    yield partial(build_grafted, model, context)


def build_grafted(model: QuantizedModel, context: RunContext) -> Artifact:
    named = replace(model, facts=replace(model.facts, variant="plain"))
    grafted = replace(graft(GraftConfig(decode="yolo_layer"), named, context), facts=model.facts)
    return build(BuildConfig(backend="onnxruntime", warmup=0, precision=None), grafted, None, None, context)


def test_names_of_parts(tmp_path: Path) -> None:
    chance, run = random.Random(5), tmp_path / INSIDE / "run"
    run.mkdir(parents=True)
    with guarded(tmp_path):
        store = Store(tmp_path / INSIDE / "store")
        for _ in range(1500):
            name = text(chance)
            try:
                check_part("trackers", Tracker(name=name, summary="", load=lambda: None))
            except TypeError:
                continue
            assert free_path(run, name).parent == run
            assert interrupted(run, IncompleteWork(name, "key", {})) is None
            assert store.find(name, "key") is None


def test_names_of_run_directories(tmp_path: Path) -> None:
    chance = random.Random(7)
    with guarded(tmp_path):
        for _ in range(300):
            run = tmp_path / INSIDE / file_name(chance)
            run.mkdir(exist_ok=True)
            with run_directory(run):
                assert free_path(run, "predict").parent == run


@pytest.mark.slow
def test_command_lines(tmp_path: Path, repo_root: Path) -> None:
    """A list with ``..``, hostile classes, files where the outputs would be, and directories that need quotes."""
    work, victim = tmp_path / "work", tmp_path / "victim"
    work.mkdir()
    tiny_checkpoint(work / "tiny.safetensors")
    write_tree(victim, ["bus.png", "bus.txt", "labels/bus.txt"])
    (work / "list.txt").write_text(f"../victim/bus.png\n{victim}/bus.png\n../victim/../victim/bus.png\n")
    write_dataset(work / "data", {"val": {"0": [(0, 0.5, 0.5, 0.5, 0.5)]}}, ("../../victim/bus", "/x", "a\nb"))
    commands = {
        "$(touch x) \\x'": ("+stage=predict", "source=list.txt", "predict.save_txt=true", "predict.save_csv=true"),
        "é\n": ("+stage=evaluate", "data=data/data.yaml", "evaluate.model=checkpoint", "evaluate.plots=true"),
    }
    before = snapshot(tmp_path / "victim") | snapshot(tmp_path / "work")
    settings = os.environ | {"PYTHONPATH": str(repo_root), "HOOKLINE_HOME": str(tmp_path / "home")}
    for name, words in commands.items():
        line = [
            sys.executable,
            "-m",
            "core.run",
            "weights=tiny.safetensors",
            "imgsz=64",
            *words,
            quoted(tmp_path / name),
        ]
        done = subprocess.run(line, cwd=work, env=settings, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / name / "summary.json").is_file()
    assert not list(changes(before, snapshot(tmp_path / "victim") | snapshot(tmp_path / "work")))
    assert {path.name for path in tmp_path.iterdir()} == {"work", "victim", "home", *commands}


def quoted(path: Path) -> str:
    escaped = str(path).replace("'", "\\'")
    return f"hydra.run.dir='{escaped}'"
