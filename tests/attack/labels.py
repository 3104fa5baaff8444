"""Label files: rows of every oddness, in a data set that is checked, and in one that is evaluated on."""

from __future__ import annotations

import os
from collections.abc import Callable

from tests.attack import odd
from tests.attack.case import Case, Scene, Variants
from tests.support.dataset_tools import write_dataset

WORDS = (
    "nan", "inf", "-inf", "1e999", "-0", "0x1", "1_0", "٠", "½", "+0", "0,5", "", "x", "0.5.5", "1e-400", "9" * 5000,
    "0." + "1" * 5000, "-1", "2", "1.0000001", "0.9999999999999999999", "1e400", "0e0", "true", "None", "'0'",
    "infinity", "NAN", "1e", ".", "-", "--1", "\x1b[2J", "\u202e", "\0",
)  # fmt: skip
BLANKS = (" ", "\t", ",", ";", "  ", "\u00a0", "\u3000", "\x0b", "\x1c", "\x85", "\u2028", "\r")


def _set(content: Callable[[Scene], bytes | str]) -> Callable[[Scene], Case]:
    """A data set of two images; the label file of the first has this content."""

    def make(scene: Scene) -> Case:
        good = [(0, 0.5, 0.5, 0.2, 0.2)]
        write_dataset(scene.here, {"train": {"a": good, "b": good}}, names=("class0", "class1"))
        with (scene.here / "data.yaml").open("a") as file:
            file.write("val: images/train\n")
        written = content(scene)
        scene.write("labels/train/a.txt", written)
        return _stage(scene)

    return make


def _stage(scene: Scene) -> Case:
    what = scene.chance.randrange(6)
    if what == 0:
        return Case(("+stage=evaluate", f"weights={scene.base.engine}", "data=data.yaml", "device=cpu"))
    if what == 1:
        few = (
            "train.epochs=1",
            "train.batch=2",
            "train.workers=0",
            "train.plots=false",
            "train.warmup_epochs=0",
            "train.autoanchor=false",
        )
        return Case(
            ("+stage=train", f"weights={scene.base.weights}", "data=data.yaml", "imgsz=64", "device=cpu", *few),
            patience=20,
        )
    bad = scene.chance.choice(("stop", "skip"))
    return Case(
        (
            "+stage=dataset",
            "data=data.yaml",
            f"dataset.bad={bad}",
            f"dataset.report={scene.chance.choice(('true', 'false'))}",
        )
    )


def _row(scene: Scene) -> str:
    row = ["0", "0.5", "0.5", "0.2", "0.2"]
    for place in scene.chance.sample(range(5), scene.chance.choice((1, 1, 2, 5))):
        row[place] = scene.chance.choice(WORDS)
    return " ".join(row) + "\n"


def _class(scene: Scene) -> str:
    word = scene.chance.choice(
        (
            "-1",
            "2",
            "80",
            "1.0",
            "1.5",
            "1e0",
            "-0.0",
            "9" * 400,
            "9" * 5000,
            "2147483648",
            "9223372036854775808",
            "nan",
            "inf",
            "+1",
            "01",
            "1_1",
        )
    )
    return f"{word} 0.5 0.5 0.2 0.2\n"


def _box(scene: Scene) -> str:
    edges = ("0", "1", "1e-300", "5e-324", "0.9999999", "1e-7", "0.5", "1.0000000001", "-1e-9", "0.0")
    return "".join(
        f"0 {' '.join(scene.chance.choice(edges) for _ in range(4))}\n" for _ in range(scene.chance.choice((1, 5, 300)))
    )


def _columns(scene: Scene) -> str:
    count = scene.chance.choice((0, 1, 4, 6, 7, 9, 1001, 200_001))
    return "0 " + " ".join(["0.5"] * count) + "\n"


def _blanks(scene: Scene) -> str:
    sign = scene.chance.choice(BLANKS)
    return scene.chance.choice(
        (
            sign.join(["0", "0.5", "0.5", "0.2", "0.2"]),
            f"{sign}0 0.5 0.5 0.2 0.2{sign}\n",
            sign * 5000,
            f"0 0.5 0.5 0.2 0.2{sign}0 0.4 0.4 0.2 0.2",
        )
    )


def _many(scene: Scene) -> str:
    count = scene.chance.choice((5000, 100_000))
    return scene.chance.choice((
        "0 0.5 0.5 0.2 0.2\n" * count, "\n" * count * 10,
        "".join(f"0 {0.1 + 0.8 * number / count:.7f} 0.5 0.1 0.1\n" for number in range(count)), "x\n" * count,
        "0 2 2 2 2\n" * count, "0 0.5 0.5 0.2 0.2 " * count,
    ))  # fmt: skip


def _bytes(scene: Scene) -> bytes:
    good = b"0 0.5 0.5 0.2 0.2\n"
    return scene.chance.choice((
        b"", b"\0", b"\xff", good.decode().encode("utf-16"), b"\xef\xbb\xbf" + good, good + b"\xff",
        good.replace(b"\n", b"\r"), good.replace(b"\n", b"\r\n"), b"{}", b"<annotation/>",
        b"\xff\xd8\xff" + scene.chance.randbytes(5000),
        scene.chance.randbytes(300), b"0 0.5 0.5 0.2 0.2", b"\xed\xb0\x80 0.5 0.5 0.2 0.2", good + b"\x1a",
        b"x" * 5_000_000,
    ))  # fmt: skip


def _places(scene: Scene) -> Case:
    """A label file that is not a regular file."""
    write_dataset(scene.here, {"train": {"a": [], "b": [(0, 0.5, 0.5, 0.2, 0.2)]}}, names=("class0", "class1"))
    with (scene.here / "data.yaml").open("a") as file:
        file.write("val: images/train\n")
    label = scene.here / "labels" / "train" / "a.txt"
    label.unlink()
    what = scene.chance.randrange(6)
    if what == 0:
        os.mkfifo(label)
    elif what == 1:
        label.mkdir()
    else:
        label.symlink_to(("/dev/zero", "/dev/stdin", "nowhere", "a.txt")[what - 2])
    return _stage(scene)


def _classes_json(scene: Scene) -> str:
    return odd.mutated(b"0 0.5 0.5 0.2 0.2\n1 0.25 0.25 0.1 0.1\n", scene.chance).decode("utf-8", "replace")


VARIANTS: Variants = {
    "row": _set(_row),
    "class": _set(_class),
    "box": _set(_box),
    "columns": _set(_columns),
    "blanks": _set(_blanks),
    "many": _set(_many),
    "bytes": _set(_bytes),
    "places": _places,
    "mutated": _set(_classes_json),
}
