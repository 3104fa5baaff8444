"""Seeded hostile names of files, classes and models, which try to write outside of their folder."""

from __future__ import annotations

import os
import random

PIECES = (
    "..", ".", "...", "a", "A", "b", "labels", "images", "predictions.json", "images.json", "predictions.csv",
    "a.txt", "a.mp4", "incomplete.json", "summary.json", "run.log", "stream", "~", "~root", "$HOME", "${x}", "`id`",
    "$(id)", ";rm -rf *", "|", "&", "'", '"', "\\", "..\\..\\x", "C:\\x", "*", "?", "[a]", "{a,b}", "%s", "%05d",
    "\n", "\r\n", "\t", "\x1b[31m", "\x7f", "-rf", "--help", "é", "é", "\u202e", "\u200b", "日本", "null", "true",
    "1e3", "a: b", "- a", "#c", "# c", "!!python/name:os", "&x", "*x", "|", ">", "@", "=", ",", "concat:", "file:",
    "pipe:1", ".part-", ".unfinished", ".json", ".onnx", ".jpg", ".png", "#0", "_000000", "\udcff", "\udce9\udc80",
)  # fmt: skip
"""``\\udcff`` is the byte 255 in Python, which is not UTF-8."""
PATHS = (
    "../{}",
    "../../{}",
    "/{}",
    "a/../../{}",
    "./{}",
    "{}/..",
    "a//{}",
    "/etc/{}",
    "labels/{}",
    "{}/",
    "\0{}",
    "{}\0.jpg",
)
MAX_BYTES = 255


def text(chance: random.Random) -> str:
    """Return any text, as in annotations, class names or the metadata of a model."""
    name = _joined(chance)
    while chance.random() < 0.4:
        name = chance.choice(PATHS).format(name)
    return chance.choice(("", "..", ".", "/", "\0", name)) if chance.random() < 0.05 else name


def file_name(chance: random.Random, suffix: str = "", *, utf8: bool = False) -> str:
    """Return a valid file name."""
    room = MAX_BYTES - len(os.fsencode(suffix))
    encoded = os.fsencode(_joined(chance))[:room]
    decoded = encoded.decode(errors="ignore") if utf8 else os.fsdecode(encoded)
    name = decoded.replace("/", "") + suffix
    return name if name not in {"", ".", ".."} else file_name(chance, suffix, utf8=utf8)


def _joined(chance: random.Random) -> str:
    pieces = [chance.choice(PIECES) for _ in range(chance.randint(1, 4))]
    name = chance.choice(("", "", ".", " ", "-")).join(pieces)
    return name * chance.randint(2, 80) if chance.random() < 0.1 else name
