"""No stage changes the user's data set: on a writable one, on one without write permissions, on a read-only mount.

Permissions do not stop root, so that all of a data set but its access times is compared.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import run_hookline
from tests.support.dataset_tools import write_dataset, write_picture
from tests.support.snapshots import changes, snapshot
from tests.support.yolov5_tools import tiny_checkpoint

NAMES = ("class0", "class1", "class2")
ROWS = [(0, 0.5, 0.5, 0.5, 0.5), (1, 0.3, 0.3, 0.2, 0.2)]
COMMON = ("weights=user/tiny.safetensors", "imgsz=64")
TRAIN = ("train.epochs=1", "train.batch=4", "train.nominal_batch=4", "train.workers=1")
PLAIN = (*TRAIN, "train.rect=true", "train.plots=false")
COMMANDS = {
    "dataset, relative": ("+stage=dataset", "data=user/data/data.yaml", "dataset.bad=skip"),
    "dataset, list": ("+stage=dataset", "data=user/data/lists.yaml", "dataset.bad=skip"),
    "predict, folder": ("+stage=predict", *COMMON, "source=user/data/images", "predict.save_txt=true"),
    "predict, list": ("+stage=predict", *COMMON, "source=user/data/val.txt", "predict.save_csv=true"),
    "predict, glob": ("+stage=predict", *COMMON, "source='user/data/*/val/*.png'", "predict.save_txt=true"),
    "predict, dots": ("+stage=predict", *COMMON, "source=user/elsewhere/../data/images/val/0.png"),
    "calibrate, glob": ("+stage=calibrate", *COMMON, "calibrate.source='user/data/images/**/*.png'"),
    "calibrate, list": ("+stage=calibrate", *COMMON, "calibrate.source=user/data/val.txt"),
    "calibrate, data": ("+stage=calibrate", *COMMON, "data=user/data/data.yaml", "dataset.bad=skip"),
    "train, relative": ("+stage=train", *COMMON, "data=user/data/data.yaml", "dataset.bad=skip", *TRAIN),
    "train, list": ("+stage=train", *COMMON, "data=user/data/lists.yaml", "dataset.bad=skip", *PLAIN),
    "evaluate": ("+stage=evaluate", *COMMON, "data=user/data/lists.yaml", "dataset.bad=skip", "evaluate.model=heads"),
    "convert, yolo": ("+stage=convert", "convert.source=user/data/data.yaml", "convert.missing=skip"),
    "convert, labelImg": ("+stage=convert", "convert.source=user/labelimg"),
    "convert, linked": ("+stage=convert", "convert.source=user/labelimg", "convert.link=symlink"),
}  # fmt: skip


def write_user(user: Path) -> None:
    """Weights, a data set with everything that somebody may want to repair, and annotations of labelImg."""
    user.mkdir(parents=True)
    tiny_checkpoint(user / "tiny.safetensors")
    data = user / "data"
    rows = {str(number): ROWS for number in range(8)}
    rows["repeated"] = ROWS + ROWS
    write_dataset(data, {"train": rows, "val": rows}, NAMES, size=(128, 96))
    (data / "labels" / "train" / "without-image.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    cut = data / "images" / "train" / "0.png"
    cut.write_bytes(cut.read_bytes()[:-200])
    (data / "images" / "train" / "linked.png").symlink_to("1.png")
    for split in ("train", "val"):
        paths = sorted((data / "images" / split).glob("[0-9].png"))
        lines = [f"./images/{split}/{path.name}\n" for path in paths]
        (data / f"{split}.txt").write_text("".join(lines))
    (data / "lists.yaml").write_text(f"train: train.txt\nval: val.txt\nnames: {list(NAMES)}\n")
    (user / "elsewhere").mkdir()
    (user / "labelimg").mkdir()
    (user / "labelimg" / "classes.txt").write_text("\n".join(NAMES) + "\n")
    for number in range(4):
        write_picture(user / "labelimg" / f"{number}.png", (64, 48), number)
        (user / "labelimg" / f"{number}.txt").write_text("0 0.5 0.5 0.5 0.5\n")


def without_permissions(user: Path) -> None:
    for path in [*user.rglob("*"), user]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)


@pytest.fixture(scope="module", params=["writable", "without permissions", "read-only mount"])
def work(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working directory with the user's folder in it."""
    work = tmp_path_factory.mktemp("work")
    user = work / "user"
    write_user(user)
    if request.param != "writable":
        without_permissions(user)
    mounted = request.param == "read-only mount"
    if mounted and not mount_read_only(user):
        pytest.skip("mounting a folder read-only needs rights that this process has not")
    try:
        yield work
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(user)], check=True)
        for path in [user, *user.rglob("*")]:  # pytest removes it
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | 0o200)


def mount_read_only(folder: Path) -> bool:
    if os.geteuid() != 0:
        return False
    bind = subprocess.run(["mount", "--bind", str(folder), str(folder)], capture_output=True, check=False)
    if bind.returncode:
        return False
    options = ["-o", "remount,ro,bind"]
    if subprocess.run(["mount", *options, str(folder)], capture_output=True, check=False).returncode == 0:
        return True
    subprocess.run(["umount", "-l", str(folder)], check=True)
    return False


def run(work: Path, name: str, words: tuple[str, ...], cwd: Path) -> subprocess.CompletedProcess[str]:
    directory = f"hydra.run.dir={work}/runs/{name.replace(', ', '-')}"
    return run_hookline(*words, directory, cwd=cwd, HOOKLINE_HOME=str(work / "home"), OMP_NUM_THREADS="1")


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_run_leaves_the_data_as_it_was(name: str, work: Path) -> None:
    before = snapshot(work / "user")
    done = run(work, name, COMMANDS[name], work)
    assert done.returncode == 0, done.stderr
    assert not list(changes(before, snapshot(work / "user")))


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["dataset", "predict"])
def test_a_run_from_within_the_data_leaves_it_as_it_was(stage: str, work: Path) -> None:
    before = snapshot(work / "user")
    words = {
        "dataset": ("+stage=dataset", "data=data.yaml", "dataset.bad=skip"),
        "predict": ("+stage=predict", "weights=../tiny.safetensors", "imgsz=64", "source=images/val"),
    }
    done = run(work, f"within {stage}", words[stage], work / "user" / "data")
    assert done.returncode == 0, done.stderr
    assert not list(changes(before, snapshot(work / "user")))


@pytest.mark.slow
def test_a_refused_run_leaves_nothing_in_the_data(work: Path) -> None:
    before = snapshot(work / "user")
    done = run(work, "refused", ("+stage=dataset", "data=data.yaml"), work / "user" / "data")
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert not list(changes(before, snapshot(work / "user")))


def test_the_comparison_sees_what_a_run_could_change(tmp_path: Path) -> None:
    write_user(tmp_path / "user")
    data = tmp_path / "user" / "data"
    label, image = data / "labels" / "val" / "0.txt", data / "images" / "val" / "0.png"
    before = snapshot(tmp_path / "user")
    times = (label.stat().st_atime_ns, label.stat().st_mtime_ns)
    label.write_text(label.read_text().replace("0.5", "0.4"))
    os.utime(label, ns=times)
    image.chmod(0o600)
    (data / "labels" / "val.cache").touch()
    (data / "images" / "train" / "linked.png").unlink()
    found = list(changes(before, snapshot(tmp_path / "user")))
    assert [line.split(" (")[0] for line in found] == [
        "changed: 'data/images/train'",
        "gone: 'data/images/train/linked.png'",
        "changed: 'data/images/val/0.png'",
        "changed: 'data/labels'",
        "new: 'data/labels/val.cache'",
        "changed: 'data/labels/val/0.txt'",
    ]
