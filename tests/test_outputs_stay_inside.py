"""Names of every origin reach predict and frames: no output leaves its folder, and no two inputs share one."""

from __future__ import annotations

import json
import random
from functools import partial
from pathlib import Path

import pytest

from core.artifacts import Predictions
from core.files.paths import free_path, output_below, output_path, write_file
from core.media.choices import MAX_PIXELS
from core.media.source import list_source
from stages.frames import frames
from stages.frames.config import FramesConfig
from stages.predict import predict
from stages.predict.config import PredictConfig
from tests.support.fake_parts import detections, fake_engine, fake_parts
from tests.support.guarding import INSIDE, attempt, guarded, tree_names, write_tree
from tests.support.hostile_names import file_name, text
from tests.support.media_tools import level_picture, write_video
from tests.support.stage_tools import make_context

BATCH = 50
PERSON = [1, 1, 4, 4, 0.9, 0]
RECORDS = {"predictions.json", "images.json", "predictions.csv"}
IMAGES, VIDEOS = (".png", ".jpg", ".jpeg", ".JPG", ".bmp"), (".avi", ".mp4", ".mkv", ".AVI")


def predict_all(root: Path, source: object) -> Predictions:
    parts, _, _ = fake_parts([detections(PERSON)] * 4 * len(list_source(source).files))
    inside = root / INSIDE / str(len(list((root / INSIDE).iterdir())))
    context, _ = make_context(inside, **parts)
    words = {
        "conf": None,
        "iou": None,
        "max_det": 300,
        "classes": None,
        "processor": "fake",
        "imgsz": 32,
        "resume": False,
    }
    config = PredictConfig(source=source, save_txt=True, save_csv=True, max_pixels=MAX_PIXELS, **words)
    return predict(config, fake_engine(inside), context)


def check_predictions(made: Predictions, source: object, frames_each: int = 1) -> None:
    """Every input has an annotated file of its own, and every frame a label file of its own."""
    folder, files = made.path.parent, list_source(source).files
    written = [path for path in folder.rglob("*") if path.is_file() and str(path.relative_to(folder)) not in RECORDS]
    labels = [path for path in written if path.suffix == ".txt"]
    assert len(json.loads((folder / "images.json").read_text())) == len(files) * frames_each
    assert (len(labels), len(written) - len(labels)) == (len(files) * frames_each, len(files))


def test_paths_of_outputs(tmp_path: Path) -> None:
    chance, folder = random.Random(1), tmp_path / INSIDE
    folder.mkdir()
    (tmp_path / "victim").write_text("mine")
    (folder / "link").symlink_to(tmp_path)
    with guarded(tmp_path):
        for number in range(3000):
            name = text(chance) if number % 2 else f"link/{text(chance)}"
            for path in (output_path, output_below, free_path):
                target = attempt(partial(path, folder, name))
                if target is not None:
                    assert folder in target.parents
                    target.parent.mkdir(parents=True, exist_ok=True)
                    if not target.is_dir():
                        write_file(target, b"")


def test_names_that_are_cut_stay_different(tmp_path: Path) -> None:
    chance = random.Random(2)
    names = {file_name(chance, ".png") for _ in range(1500)}
    assert len({output_path(tmp_path, name) for name in names}) == len(names)


@pytest.mark.parametrize("seed", range(24))
def test_images_of_a_folder(tmp_path: Path, seed: int) -> None:
    write_tree(tmp_path / "in", tree_names(random.Random(seed), BATCH, IMAGES))
    with guarded(tmp_path):
        made = predict_all(tmp_path, str(tmp_path / "in"))
    check_predictions(made, str(tmp_path / "in"))


@pytest.mark.parametrize("seed", range(8))
def test_images_of_lists_globs_and_links(tmp_path: Path, seed: int) -> None:
    chance = random.Random(100 + seed)
    deep, source = tmp_path / "elsewhere" / "deep", tmp_path / "in"
    paths = write_tree(deep, tree_names(chance, BATCH, IMAGES))
    spellings = ("../elsewhere/deep/{}", "./../elsewhere/./deep/{}", f"{deep}/{{}}")
    listed = [str(path.relative_to(deep)) for path in paths if str(path).isprintable() and not str(path).endswith(" ")]
    lines = [chance.choice(spellings).replace("{}", name) for name in [*listed, *listed[:10]]]
    source.mkdir()
    for number, path in enumerate(paths[:10]):
        (source / f"link{number}.png").symlink_to(path)
        lines += [f"link{number}.png", f"../in/link{number}.png"]
    (source / "folder").symlink_to(tmp_path / "elsewhere")
    (source / "list.txt").write_text("\n".join(lines))
    for given in (str(source / "list.txt"), str(source / "**" / "*"), [str(path) for path in paths], str(source)):
        with guarded(tmp_path):
            made = predict_all(tmp_path, given)
        check_predictions(made, given)


@pytest.mark.parametrize("name", [*sorted(RECORDS), "incomplete.json", "labels", "labels/a.txt"])
def test_folders_that_are_named_as_an_output(tmp_path: Path, name: str) -> None:
    write_tree(tmp_path / "in", ["a.png", f"{name}/b.png", f"{name}/a.png"])
    with guarded(tmp_path):
        made = attempt(partial(predict_all, tmp_path, str(tmp_path / "in")))
    if made is not None:
        check_predictions(made, str(tmp_path / "in"))


def clip(folder: Path) -> bytes:
    """A video of two frames."""
    return write_video(folder / "clip.avi", [level_picture(level, 48, 64) for level in (50, 200)]).read_bytes()


def test_a_folder_that_is_named_as_a_video(tmp_path: Path) -> None:
    write_tree(tmp_path / "in", ["a.avi", "a.mp4/b.avi"], clip(tmp_path))
    with guarded(tmp_path):
        made = attempt(partial(predict_all, tmp_path, str(tmp_path / "in")))
    if made is not None:
        check_predictions(made, str(tmp_path / "in"), frames_each=2)


@pytest.mark.parametrize("seed", range(4))
def test_videos(tmp_path: Path, seed: int) -> None:
    write_tree(tmp_path / "in", tree_names(random.Random(200 + seed), BATCH // 2, VIDEOS), clip(tmp_path))
    with guarded(tmp_path):
        made = predict_all(tmp_path, str(tmp_path / "in"))
    check_predictions(made, str(tmp_path / "in"), frames_each=2)


@pytest.mark.parametrize("seed", range(4))
def test_frames_of_videos(tmp_path: Path, seed: int) -> None:
    names = tree_names(random.Random(200 + seed), BATCH // 2, VIDEOS, utf8=True)
    check_frames(tmp_path, [name for name in names if name.isprintable()])


@pytest.mark.parametrize("name", ["a\nb.avi", "a\rb.avi", "a\u2028b.avi", "\udcff.avi"])
def test_frames_of_a_video_whose_name_a_list_cannot_hold(tmp_path: Path, name: str) -> None:
    check_frames(tmp_path, [name])


def check_frames(root: Path, names: list[str]) -> None:
    """Every frame has a file, and the list names them all."""
    source = root / "in"
    write_tree(source, names, clip(root))
    with guarded(root):
        context, _ = make_context(root / INSIDE)
        listed = frames(FramesConfig(source=str(source), every=1, max_pixels=MAX_PIXELS), context)
    assert len(list_source(str(listed.path)).files) == 2 * len(list_source(str(source)).files)
