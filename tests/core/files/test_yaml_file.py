from __future__ import annotations

import math
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.data.data_yaml import DataSpec, read_data_yaml
from core.errors import LONGEST_LINE, HooklineError
from core.files.regular_file import NotRegularError, TooLargeError
from core.files.yaml_file import MAX_BYTES, MAX_DEPTH, read_yaml
from core.model_limits import MAX_CLASSES


@pytest.fixture(params=[True, False], ids=["libyaml", "python"], autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param and not yaml.__with_libyaml__:
        pytest.skip("this PyYAML has no libyaml")
    monkeypatch.setattr(yaml, "__with_libyaml__", request.param)


def value_of(folder: Path, text: str) -> Any:
    file = folder / "a.yaml"
    file.write_text(text, encoding="utf-8")
    return read_yaml(file).content


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\nb: [x, 2.5, true, null, ~]\nc: {d: 'e', 0: \"f\\n\"}\n",
        "- 1\n-\n  - 2\n  - k: v\n",
        "a: |\n  one\n  two\nb: >\n  folded\n  text\n",
        "x: 0x1F\ny: 010\nz: 1_000\nw: -3\nv: 1:30\nu: .5\nt: 1.0e+3\n",
        "base: &b {p: 1, q: 2}\nmine: {<<: *b, q: 3}\nboth: {<<: [*b, {r: 4}]}\nagain: *b\n",
        "a: !!str 5\nb: !!int 5\nc: !!float 5\nd: ! 5\ne: !!map {}\nf: !!seq []\n",
        "yes: no\n'no': on\n",
        "",
        "just text",
        "? k\n: v\n",
        "\ufeffa: 1",
        "%YAML 1.1\n---\na: 1\n...\n",
    ],
)
def test_values_are_those_of_pyyaml(tmp_path: Path, text: str) -> None:
    assert value_of(tmp_path, text) == yaml.safe_load(text.removeprefix("\ufeff"))


def test_infinities(tmp_path: Path) -> None:
    assert value_of(tmp_path, "[.inf, -.inf]") == [math.inf, -math.inf]
    assert math.isnan(value_of(tmp_path, ".nan"))


@pytest.mark.parametrize("text", ["2001-01-01", "2001-99-99", "2001-01-01 99:99:99", "=", "<<"])
def test_what_has_no_type_here_is_text(tmp_path: Path, text: str) -> None:
    assert value_of(tmp_path, f"[{text}]") == [text]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: !!int zz", "'zz' is not of the type !!int (line 1, column 4)"),
        ("a: !!float x", "'x' is not of the type !!float"),
        ("a: !!bool x", "'x' is not of the type !!bool"),
        ("a: !!null x", "'x' is not of the type !!null"),
        ("a: !!int ''", "'' is not of the type !!int"),
        ("a: !!float ''", "'' is not of the type !!float"),
        ("a: 0b_", "'0b_' is not a number (line 1, column 4)"),
        ("a: 0x_", "'0x_' is not a number"),
        ("a: 09", None),
        ("a: !!timestamp x", "timestamp' is not supported"),
        ("a: !!binary x", "binary' is not supported"),
        ("a: !!set {b}", "set' is not supported"),
        ("a: !!omap [b: 1]", "omap' is not supported"),
        ("a: !mine 1", "'!mine' is not supported"),
        ("a: !!python/name:os.system x", "is not supported"),
        ("a: !!map [1]", "map' is not supported"),
        ("a: " + "9" * 10_000, "a number has more than 100 characters"),
        ("a: 0x" + "f" * 101, "a number has more than 100 characters"),
        ("a: " + "1:" * 5_000 + "1", "a number has more than 100 characters"),
        ("a: " + "x" * 70_000, "a string has more than 65,536 characters"),
        ("? [a]\n: b", "a key is a list or a mapping (line 1"),
        ("? {a: b}\n: c", "a key is a list or a mapping"),
        ("a: &x [1]\n*x : 2", "a key is a list or a mapping (line 2"),
        ("a: 1\nb: 2\na: 3", "the key 'a' occurs twice (line 3, column 1)"),
        ("a: {b: 1, b: 1}", "the key 'b' occurs twice"),
        ("1: a\n0x1: b", "the key 1 occurs twice"),
        ("a: *b", "the alias 'b' has no complete anchor"),
        ("&a [*a]", "the alias 'a' has no complete anchor"),
        ("a: {<<: 1}", "'<<' takes a mapping, or a list of mappings"),
        ("a: {<<: [1]}", "'<<' takes a mapping, or a list of mappings"),
        ("a: 1\n---\nb: 2", "it has more than one document"),
        ("a: [1", "line "),
        ("a: b: c", "line 1"),
        ("\ta: 1", "line 1"),
        ("a: '", "line 1"),
        ("a: \x01", "is not valid YAML"),
        ("[" * (MAX_DEPTH + 1), f"it is nested deeper than {MAX_DEPTH} levels (line 1, column {MAX_DEPTH + 1})"),
        ("[" * 100_000, "it is nested deeper than"),
        ("{a: " * 100_000, "it is nested deeper than"),
        ("- " * 100_000, "it is nested deeper than"),
        ("a: &a " + "[1" + ", 1" * 1000 + "]\nb: [*a" + ", *a" * 500 + "]", "more than 250,000 values"),
        ("a: {}\n" * 2, "occurs twice"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, problem: str | None) -> None:
    if problem is None:
        value_of(tmp_path, text)
        return
    with pytest.raises(HooklineError, match="is not valid YAML") as raised:
        value_of(tmp_path, text)
    line = str(raised.value)
    assert problem in line
    assert "\n" not in line
    assert len(line) <= LONGEST_LINE


def test_billion_laughs(tmp_path: Path) -> None:
    levels = ["l0: &l0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    levels += [f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 9)}]" for level in range(1, 30)]
    start = time.perf_counter()
    with pytest.raises(HooklineError, match=r"more than 250,000 values; those of an alias count at each use \(line 6"):
        value_of(tmp_path, "\n".join(levels))
    merges = ["m0: &m0 {" + ", ".join(f"k{number}: 1" for number in range(5000)) + "}"]
    merges += [f"m{level}: {{<<: *m0}}" for level in range(1, 5000)]
    with pytest.raises(HooklineError, match=r"more than 250,000 values"):
        value_of(tmp_path, "\n".join(merges))
    assert time.perf_counter() - start < 10


def test_lines_of_keys_and_items(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("train: a\nnames:\n  - x\n  - y\nval: [b,\n  c]\nmap:\n  k: {deep: 1}\n", encoding="utf-8")
    found = read_yaml(file)
    assert found.lines == {
        ("train",): 1, ("names",): 2, ("names", 0): 3, ("names", 1): 4, ("val",): 5, ("val", 0): 5, ("val", 1): 6,
        ("map",): 7, ("map", "k"): 8,
    }  # fmt: skip
    assert found.location("names", 1) == f"'{file}' (line 4)"
    assert found.location("names", 7) == f"'{file}' (line 2)"
    assert found.location("gone") == f"'{file}'"


def test_only_a_regular_file_of_a_bounded_size(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "zero").symlink_to("/dev/zero")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    for name, kind in (("fifo", NotRegularError), ("zero", NotRegularError), ("large", TooLargeError)):
        with pytest.raises(kind):
            read_yaml(tmp_path / name)
        with pytest.raises(HooklineError, match="cannot read"):
            read_data_yaml(tmp_path / name)


PIECES = (
    "a", "names", "nc", "train", "val", "path", "0", "1", "-1", "1.5", "1e9", ".nan", "0b_", "0x", "2001-99-99", "~",
    "null", "no", "''", '"\\0"', '"\\ud800"', '"\\xff"', "!!int", "!!float", "!!timestamp", "!!binary", "!!str",
    "!!python/tuple", "!", "!x", "&x", "*x", "<<", "=", ": ", ":", "- ", "-", "? ", "[", "]", "{", "}", ",", "|", ">",
    "|9", "%YAML 1.1", "---", "...", "#", "\n", "\n ", "\n  ", "\t", " ", "'", '"', "\\", "é", "日本", "\u2028", "\x85",
    "9" * 120, "x" * 300,
)  # fmt: skip


def answered(file: Path) -> DataSpec | str:
    """The content of the file, or the line of the error."""
    try:
        return read_data_yaml(file)
    except HooklineError as error:
        line = str(error)
    assert len(line) <= LONGEST_LINE
    assert "\n" not in line
    return line


@pytest.mark.parametrize("seed", range(8))
def test_any_text_is_a_value_or_one_line(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    file = tmp_path / "data.yaml"
    for _ in range(150):
        start = chance.choice(
            ("", "names: [a]\nval: .\n", "names: ", "names: [a]\nnc: ", "path: ", "names: [a]\nval: ")
        )
        text = start + "".join(chance.choice(PIECES) for _ in range(chance.randint(1, 12)))
        file.write_text(text, encoding="utf-8")
        answer = answered(file)
        if isinstance(answer, DataSpec):
            assert all(isinstance(name, str) for name in answer.names)


VALUES = (
    "null", "true", "-5", "1.5", ".nan", ".inf", "''", "[]", "{}", "[[]]", "[{}]", "{a: b}", "[null]",
    "[1, [2]]", "x", '"a\\0b"', "x" * 300, "x/" * 3000, "~nosuchuser", "~nosuchuser/x", "/dev/zero", "/dev/null", "..",
    "2001-01-01", "{0: [1]}", "9" * 90, "[a, a]", "{0: a, 0.0: b}", "{true: a, false: b}", "{'0': a, 0: b}",
    "{'" + "9" * 5000 + "': a}", "{-1: a}", "{null: a}",
)  # fmt: skip


@pytest.mark.parametrize("key", ["path", "train", "val", "test", "names", "nc", "other"])
def test_every_value_of_every_key(tmp_path: Path, key: str) -> None:
    content = {"train": "images", "val": "images", "names": "[a]"}
    (tmp_path / "images").mkdir()
    file = tmp_path / "data.yaml"
    for value in VALUES:
        rows = (content | {key: value}).items()
        file.write_text("".join(f"{name}: {item}\n" for name, item in rows), encoding="utf-8")
        answer = answered(file)
        if isinstance(answer, DataSpec):
            assert answer.names
            assert answer.root.is_dir()
        else:
            assert str(file) in answer


def test_many_classes(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    file = tmp_path / "data.yaml"

    def write(count: int) -> None:
        names = "".join(f"  {index}: class number {index}\n" for index in range(count))
        file.write_text(f"val: images\nnames:\n{names}", encoding="utf-8")

    write(MAX_CLASSES)
    assert len(read_data_yaml(file).names) == MAX_CLASSES
    write(MAX_CLASSES + 1)
    with pytest.raises(HooklineError, match=r"\(line 2\) has 20,001 class names; the maximum is 20,000"):
        read_data_yaml(file)
    file.write_text(f"val: images\nnames: [{'x' * 1001}]\n", encoding="utf-8")
    with pytest.raises(HooklineError, match=r"class 0 in .* has 1,001 characters \(the limit is 1,000\)"):
        read_data_yaml(file)


@pytest.mark.parametrize(
    "text",
    [
        "- a\n" * 2_000_000,
        "#" * 7_000_000,
        "a: &a [x]\n" + "b: *a\n" * 1_000_000,
        "[" + "1," * 3_500_000,
        "? " * 4_000_000,
    ],
    ids=["items", "comment", "aliases", "numbers", "keys"],
)
def test_megabytes_take_bounded_time_and_memory(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text, encoding="utf-8")
    program = (
        "import resource, sys, yaml\n"
        "from pathlib import Path\n"
        "from core.errors import HooklineError\n"
        "from core.files.yaml_file import read_yaml\n"
        f"yaml.__with_libyaml__ = {yaml.__with_libyaml__}\n"
        "resource.setrlimit(resource.RLIMIT_AS, (800 << 20, 800 << 20))\n"
        "try:\n    read_yaml(Path(sys.argv[1]))\nexcept HooklineError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(file)], check=False, timeout=60, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-500:]
    assert len(done.stdout) <= LONGEST_LINE + 1


def test_class_names_fit_into_the_metadata_of_a_model(tmp_path: Path) -> None:
    file = tmp_path / "data.yaml"
    file.write_text("val: images\nnames:\n" + f"- {'x' * 1000}\n" * 2001, encoding="utf-8")
    with pytest.raises(HooklineError, match="2,001,000 characters in total; the maximum is 2,000,000"):
        read_data_yaml(file)
