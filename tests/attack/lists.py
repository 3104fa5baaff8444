"""What a source can be written as: lists of files, globs, folders of odd names, annotations of other tools."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from tests.attack import odd
from tests.attack.case import Case, Scene, Variants
from tests.support.guarding import tree_names, write_tree
from tests.support.hostile_names import PIECES

LONG = "x" * 256 + ".png"


def _predict(scene: Scene, source: str) -> Case:
    stage = scene.chance.choice(("predict", "predict", "calibrate"))
    option = "source" if stage == "predict" else "calibrate.source"
    weights = scene.base.engine if stage == "predict" else scene.base.onnx
    return Case((f"+stage={stage}", f"weights={weights}", "device=cpu", f"{option}={source}"), patience=20)


def _list(content: Callable[[Scene], bytes | str]) -> Callable[[Scene], Case]:
    def make(scene: Scene) -> Case:
        write_tree(scene.here, ["a.png", "in/b.png"])
        scene.write("list.txt", content(scene))
        return _predict(scene, "list.txt")

    return make


def _entry(scene: Scene) -> str:
    entry = scene.chance.choice((
        LONG, "a\0.png", "\udcff.png", "~nosuchuser/a.png", "~/a.png", "/dev/zero", "/dev/stdin", "list.txt", "in",
        "*.png", "../" * 2000 + "a.png", "x" * 5000, " a.png ", "#a.png", "a.png # x", "\ufeffa.png", "\x1b[2J.png",
        "\u202e.png", "in/../a.png", "in//b.png", "./a.png", "a.PNG", "nowhere.png", "http://127.0.0.1:9/a.png",
        "file://a.png", "rtsp://127.0.0.1:9/", "0", "a.png\\", "'a.png'", "$HOME/a.png", "a.png\ta.png", "C:\\a.png",
        "a.txt",
    ))  # fmt: skip
    lines = ["a.png", entry, "in/b.png"]
    scene.chance.shuffle(lines)
    return scene.chance.choice(("\n", "\r\n", "\r", "\n\n")).join(lines)


def _bytes(scene: Scene) -> bytes:
    return scene.chance.choice((
        b"", b"\n", b"#\n", b"\0", b"\xff\n", "a.png\n".encode("utf-16"), b"\xef\xbb\xbfa.png", b"a.png\n" * 100_000,
        b"\n" * 3_000_000, b"x" * 3_000_000, b"nope.png\n" * 100_000, scene.chance.randbytes(3000),
        b"a.png\x85in/b.png", b"a.png\x0cin/b.png",
    ))  # fmt: skip


def _mutated(scene: Scene) -> bytes:
    return odd.mutated(b"a.png\nin/b.png\n# comment\na.png\n", scene.chance)


def _names(scene: Scene) -> Case:
    """Files of odd names in a folder, named by the folder, a glob or one by one."""
    names = tree_names(scene.chance, 12, (".png", ".PNG", ".jpg"))
    found = write_tree(scene.here / "in", names)
    if not found:
        write_tree(scene.here / "in", ["a.png"])
    return _predict(scene, scene.chance.choice(("in", "in/**/*.png", "in/*", "[in]", "in,in")))


def _glob(scene: Scene) -> Case:
    write_tree(scene.here, [f"in/{number}.png" for number in range(3)])
    pattern = scene.chance.choice((
        "*", "**", "**/*", "in/[", "in/[0-", "in/[!0]*", "in/[^0]*", "in/?.png", "in/{0,1}.png",
        "/" + "*/" * 5 + "nope*.png", "**/" * 30 + "*.png", "*" * 3000, "[" * 3000, "in/*\0", "~nosuchuser/*",
        "in/*.txt", "in/[[:alpha:]]*", "/proc/*/fd/*.png",
    )).replace("\0", "")  # fmt: skip
    return _predict(scene, f"'{pattern}'")


def _hydra_list(scene: Scene) -> Case:
    write_tree(scene.here, ["a.png", "b.png"])
    value = scene.chance.choice(
        (
            "[a.png,b.png]",
            "[a.png,a.png]",
            "[]",
            "[[a.png]]",
            "[null]",
            "[5]",
            "{a: a.png}",
            "[a.png,0]",
            "[a.png,'rtsp://x']",
            "['']",
            "[a.png,'']",
            "5",
            "1.5",
            "true",
            "null",
            "''",
            "[.]",
            "['~nosuchuser']",
        )
    )
    return _predict(scene, value)


def _places(scene: Scene) -> Case:
    """Folders that lead round, entries that are no regular files."""
    folder = scene.here / "in"
    write_tree(folder, ["a.png", "deep/b.png"])
    what = scene.chance.randrange(8)
    target = folder / "x.png"
    if what == 0:
        (folder / "deep" / "round").symlink_to(folder)
    elif what == 1:
        os.mkfifo(target)
    elif what == 2:
        target.mkdir()
    elif what == 3:
        target.symlink_to("nowhere")
    elif what == 4:
        target.symlink_to("x.png")
    elif what == 5:
        target.symlink_to(scene.chance.choice(("/dev/zero", "/dev/stdin", "/dev/full", "/dev/random")))
    elif what == 6:
        deep = folder
        for _ in range(60):
            deep = deep / ("y" * 60)
            os.mkdir(deep)  # noqa: PTH102  deeper than a path may be long
    else:
        (scene.here / "loop.txt").write_text("loop.txt\n")
        return _predict(scene, "loop.txt")
    return _predict(scene, scene.chance.choice(("in", "in/**/*.png", "in/x.png")))


def _annotations(scene: Scene) -> Case:
    """Annotations of other tools for the stage convert."""
    write_tree(scene.here, ["a.png", "b.png"])
    name = scene.chance.choice(("a.png", "../a.png", "/etc/passwd", "\0", "x" * 300 + ".png", "", 5, None, "a.png\n"))
    box = [odd.number(scene.chance) for _ in range(4)]
    coco = {
        "images": [{"id": 1, "file_name": name, "width": odd.number(scene.chance), "height": 8}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": box}],
        "categories": [{"id": 1, "name": odd.words(scene.chance)}],
    }
    createml = [
        {
            "image": name,
            "annotations": [
                {
                    "label": odd.words(scene.chance),
                    "coordinates": dict(zip(("x", "y", "width", "height"), box, strict=True)),
                }
            ],
        }
    ]
    studio = [
        {
            "data": {"image": name},
            "annotations": [
                {
                    "result": [
                        {
                            "type": "rectanglelabels",
                            "value": {
                                "x": box[0],
                                "y": box[1],
                                "width": box[2],
                                "height": box[3],
                                "rectanglelabels": [odd.words(scene.chance)],
                            },
                        }
                    ]
                }
            ],
        }
    ]
    content = scene.chance.choice((coco, createml, studio))
    if scene.chance.random() < 0.6:
        content = odd.edited(content, scene.chance)
    scene.write("notes.json", json.dumps(content))
    return Case(
        ("+stage=convert", "convert.source=notes.json", f"convert.missing={scene.chance.choice(('stop', 'skip'))}")
    )


def _voc(scene: Scene) -> Case:
    write_tree(scene.here, ["a.png"])
    word = scene.chance.choice(PIECES).replace("<", "")
    bombs = "".join(f'<!ENTITY e{level} "{f"&e{level - 1};" * 10}">' for level in range(1, scene.chance.choice((3, 9))))
    content = scene.chance.choice((
        "", "<", "<annotation/>", "<a>" * 50_000,
        f'<!DOCTYPE a [<!ENTITY e0 "ha">{bombs}]><annotation><filename>&e2;</filename></annotation>',
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation><filename>&x;</filename></annotation>',
        (f"<annotation><filename>{word}</filename><object><name>{word}</name><bndbox><xmin>nan</xmin><ymin>1e999</ymin>"
        f"<xmax>{'9' * 5000}</xmax><ymax>-1</ymax></bndbox></object></annotation>"),
        "<annotation><filename>a.png</filename><object><name>x</name><bndbox><xmin>1</xmin></bndbox></object></annotation>",
        '<?xml version="1.0" encoding="nope"?><annotation/>', '<?xml version="1.0" encoding="utf-16"?><annotation/>',
        "<annotation>\x1b</annotation>",
    ))  # fmt: skip
    scene.write("notes/a.xml", content)
    return Case(("+stage=convert", "convert.source=notes", "convert.pictures=.", "convert.format=voc"))


VARIANTS: Variants = {
    "entry": _list(_entry),
    "bytes": _list(_bytes),
    "mutated": _list(_mutated),
    "names": _names,
    "glob": _glob,
    "hydra-list": _hydra_list,
    "places": _places,
    "annotations": _annotations,
    "voc": _voc,
}
