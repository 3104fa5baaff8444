"""The data.yaml of a data set: YAML that explodes, nests, names Python objects, or has odd values in the known keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import yaml

from tests.attack import odd
from tests.attack.case import Case, Scene, Variants
from tests.support.dataset_tools import write_dataset

KEYS = ("path", "train", "val", "test", "nc", "names", "download", "roboflow")
SCALARS = (
    "2001-99-99", "2001-01-01", "2001-01-01T25:61:61Z", "2001-12-14t21:59:43.10-99:00", "!!int zz", "!!int ''",
    "!!float zz",
    "!!bool zz", "!!timestamp zz", "!!binary '%%%'", "!!binary aGVsbG8=", "!!null x", "0b_", "0x_", "0o8", "0b12",
    "1_000", "_1",
    "9" * 10_000, "-" + "9" * 10_000, "0x" + "f" * 10_000, "0b" + "1" * 40_000, "1:" * 3000 + "1", "1e99999", ".inf",
    "-.inf", ".nan",
    "1e-99999", "!!set {a, b}", "!!omap [a: 1]", "!!pairs [a: 1]", "!!omap a", "!!pairs [1]", "!!set [a]", "<<", "=",
    "~", "''",
    '"\\ud800"', '"\\U0001F600"', '"\\x1b[2J"', '"\\0"', "yes", "no", "on", "null", "-", "? ", ": ", "- - - -", "@a",
    "`a", "%a",
    "|", ">", "*unknown", "&a [*a]", "&a {*a : 1}", "{[1]: 2}", "{{a: 1}: 2}", "[,]", "{,}", "[a", "{a", "'a",
    "!!str [1]",
    "!!seq a", "!!map a", "! a", "!", "!<tag:x> a", "!a!b c", "1.5.5", "12e03", "+1", "0777", "0o777", "190:20:30",
    "!!int 0b",
    "!!int '-'", "!!int '+'", "!!float '-'", "!!int ':'", "!!float ':'", "!!int '1:x'", "!!timestamp 2001-02-30",
)  # fmt: skip
"""Scalars, most of which no converter takes."""


def _yaml(content: Callable[[Scene], str | bytes], stages: Sequence[str] = ("dataset",)) -> Callable[[Scene], Case]:
    """A data set whose data.yaml has this content; a stage reads it."""

    def make(scene: Scene) -> Case:
        write_dataset(scene.here, {"train": {"a": [(0, 0.5, 0.5, 0.1, 0.1)]}}, names=("person",))
        scene.write("data.yaml", content(scene))
        return Case((f"+stage={scene.chance.choice(stages)}", "data=data.yaml", "dataset.report=false"))

    return make


def _with(**keys: str) -> str:
    """The text of a data.yaml whose keys have these texts as values."""
    content = {"path": ".", "train": "images/train", "val": "images/train", "names": "[person]", **keys}
    return "".join(f"{key}: {value}\n" for key, value in content.items())


def _scalar_for_key(scene: Scene) -> str:
    key = scene.chance.choice(("path", "train", "val", "nc", "names"))
    return _with(**{key: scene.chance.choice(SCALARS)})


def _scalar_in_names(scene: Scene) -> str:
    scalar = scene.chance.choice(SCALARS)
    return _with(
        names=scene.chance.choice((f"[{scalar}]", f"{{0: {scalar}}}", f"{{{scalar}: a}}", f"\n  - a\n  - {scalar}"))
    )


def _value_for_key(scene: Scene) -> str:
    content: dict[str, Any] = {"path": ".", "train": "images/train", "val": "images/train", "names": ["person"]}
    for key in scene.chance.sample(KEYS, scene.chance.randint(1, 3)):
        content[key] = odd.value(scene.chance)
    return yaml.safe_dump(content, allow_unicode=True)


def _laughs(scene: Scene) -> str:
    levels = scene.chance.choice((3, 9, 30))
    lines = ["a0: &a0 [ha, ha, ha]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, levels)]
    key = scene.chance.choice(KEYS)
    value = scene.chance.choice((f"*a{levels - 1}", f"[*a{levels - 1}]", f"{{0: *a{levels - 1}}}", "{*a0 : 1}"))
    return "\n".join(lines) + "\n" + _with(**{key: value})


def _merges(scene: Scene) -> str:
    levels = scene.chance.choice((5, 18, 25))
    lines = ["m0: &m0 {a: 1}"]
    lines += [f"m{level}: &m{level} {{<<: [*m{level - 1}, *m{level - 1}], k{level}: 1}}" for level in range(1, levels)]
    return "\n".join(lines) + f"\n<<: *m{levels - 1}\n" + _with()


def _loops(scene: Scene) -> str:
    key = scene.chance.choice(KEYS)
    return _with(**{key: scene.chance.choice(("&a [*a]", "&a {b: *a}", "&a {<<: *a}", "&a [[*a], *a]", "&a {0: *a}"))})


def _deep(scene: Scene) -> str:
    depth = scene.chance.choice((100, 1000, 5_000, 100_000))
    opening, closing = scene.chance.choice((("[", "]"), ("{a: ", "}"), ("[{a: ", "}]"), ("- ", ""), ("? ", "")))
    return _with(**{scene.chance.choice(KEYS): opening * depth + "0" + closing * depth})


def _tags(scene: Scene) -> str:
    command = f"touch {scene.canary}"
    tag = scene.chance.choice((
        f"!!python/object/apply:os.system ['{command}']", f"!!python/object/new:os.system ['{command}']",
        "!!python/name:os.system",
        "!!python/module:os", f"!!python/object/apply:subprocess.Popen [['touch', '{scene.canary}']]",
        "!!python/tuple [1, 2]",
        "!!python/long 5", "!!python/complex 1j", "!!python/bytes aGk=", "!!python/object:core.errors.HooklineError {}",
        f"!!python/object/apply:builtins.open ['{scene.canary}', 'w']", "!include /etc/passwd", "!ENV ${HOME}",
    ))  # fmt: skip
    return _with(**{scene.chance.choice(KEYS): tag})


def _names(scene: Scene) -> str:
    """Very many classes, very long names, equal names, or names with special characters."""
    return _with(names=scene.chance.choice((
        "[" + ",".join(f"c{key}" for key in range(300_000)) + "]", "[" + "x" * 2_000_000 + "]", "[a, a]", "['']",
        "[' ']",
        "{0: a, 0: b}", "{0: a, '0': b}", "{1: a}", "{-1: a}", "{0.0: a}", "{true: a}", "{٣: a}", "{0: a, 2: b}",
        "[]", "{}", "a",
        "['a\\nb']", '["\\x1b[31m"]', '["\\u202e"]', "[../../a]", "[/etc/passwd]", "[null]", "[[a]]", "[{a: b}]",
        "[1, 2.5]", "[2001-01-01]",
    )))  # fmt: skip


def _paths(scene: Scene) -> str:
    path = scene.chance.choice((
        "~nosuchuser/x", "~", "~/x", "//x", "/dev/zero", "/dev/stdin", "/proc/self/fd/0", "/proc/self/mem", "..",
        "../" * 3000 + "x", "x" * 256,
        "x" * 5000, '"a\\0b"', '"\\udcff"', "''", "' '", "http://127.0.0.1:9/x", "file:///etc", "[images/train, 5]",
        "[[images/train]]",
        "[null]", "images/train/a.png", "data.yaml", "list.txt", "$HOME", "images/train/../../images/train",
        "'images/*'", "C:\\\\x",
    ))  # fmt: skip
    scene.write("list.txt", "images/train/a.png\n" * scene.chance.choice((0, 1, 2)))
    return _with(**{scene.chance.choice(("path", "train", "val")): path})


def _bytes(scene: Scene) -> bytes:
    good = _with().encode()
    return scene.chance.choice((
        b"", b"\0", b"\xff\xfe" + good.decode().encode("utf-16-le"), good.decode().encode("utf-32"), good + b"\xff",
        b"\xef\xbb\xbf" + good,
        good.replace(b"\n", b"\r\n"), good.replace(b"\n", b"\r"), good.replace(b": ", b":\t"), b"\t" + good,
        good + b"\x07", b"%YAML 9.9\n---\n" + good,
        b"---\n" + good + b"---\n" + good, good + b"...\nx", b"- a\n" + good, b"[" * 200_000,
        scene.chance.randbytes(2000), b"a" * 5_000_000, b"\n" * 500_000,
        good + b"#" * 3_000_000, b"? " * 3000, b"&a " * 3000, b"!!" * 3000, b"a: b: c", b"\xc2\x85" + good,
        b"{" + b"a: 1," * 200_000 + b"}",
    ))  # fmt: skip


def _duplicates(scene: Scene) -> str:
    key = scene.chance.choice(("path", "train", "val", "names", "nc"))
    return _with() + f"{key}: {scene.chance.choice(('[a, b]', 'images', '1', '.'))}\n"


def _mutated(scene: Scene) -> bytes:
    return odd.mutated(_with(nc="1", test="[images/train, images/train]").encode(), scene.chance)


VARIANTS: Variants = {
    "scalar-for-key": _yaml(_scalar_for_key),
    "scalar-in-names": _yaml(_scalar_in_names),
    "value-for-key": _yaml(_value_for_key),
    "laughs": _yaml(_laughs),
    "merges": _yaml(_merges),
    "loops": _yaml(_loops),
    "deep": _yaml(_deep),
    "tags": _yaml(_tags),
    "names": _yaml(_names),
    "paths": _yaml(_paths),
    "bytes": _yaml(_bytes),
    "duplicates": _yaml(_duplicates),
    "mutated": _yaml(_mutated),
}
