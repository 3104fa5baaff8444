from __future__ import annotations

from pathlib import Path

import pytest

from core.data.data_yaml import read_data_yaml
from core.errors import HooklineError


def write(folder: Path, text: str) -> Path:
    (folder / "images" / "val").mkdir(parents=True, exist_ok=True)
    file = folder / "data.yaml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    "names",
    ["names: [a, b]", "names: {0: a, 1: b}", "names: {1: b, 0: a}", "names: {'0': a, '1': b}", "nc: 2\nnames: [a, b]"],
)
def test_names(tmp_path: Path, names: str) -> None:
    spec = read_data_yaml(write(tmp_path, f"val: images/val\n{names}\n"))
    assert spec.names == ("a", "b")
    assert spec.splits == {"val": (tmp_path / "images" / "val",)}
    assert spec.notes == ()


def test_numbers_as_names_are_text(tmp_path: Path) -> None:
    assert read_data_yaml(write(tmp_path, "val: images/val\nnames: [0, 7, 4.5]")).names == ("0", "7", "4.5")


WRITTEN = ("02146", "1_000", "0x1F", "12:30", "1.10", "yes", "NO", "1e3", "2024-01-02", "+1", ".5", "0o17", "1" * 200)


@pytest.mark.parametrize("form", ["list", "mapping", "block"])
def test_names_stay_as_written(tmp_path: Path, form: str) -> None:
    text = {
        "list": f"names: [{', '.join(WRITTEN)}]",
        "mapping": f"names: {{{', '.join(f'{index}: {name}' for index, name in enumerate(WRITTEN))}}}",
        "block": "names:\n" + "".join(f"  {index}: {name}\n" for index, name in enumerate(WRITTEN)),
    }[form]
    assert read_data_yaml(write(tmp_path, f"val: images/val\nnc: {len(WRITTEN)}\n{text}\n")).names == WRITTEN


def test_paths_that_look_like_numbers(tmp_path: Path) -> None:
    (tmp_path / "0123" / "0x1F").mkdir(parents=True)
    spec = read_data_yaml(write(tmp_path, "path: 0123\nval: 0x1F\nnames: [a]"))
    assert spec.splits == {"val": (tmp_path / "0123" / "0x1F",)}


@pytest.mark.parametrize("entry", ["images\\val", ".\\images\\val", "..\\images\\val", "'images\\val'"])
def test_backslashes_of_windows_are_noted(tmp_path: Path, entry: str) -> None:
    spec = read_data_yaml(write(tmp_path, f"val: {entry}\nnames: [a]"))
    assert spec.splits == {"val": (tmp_path / "images" / "val",)}
    assert "was read as '" in spec.notes[0]


def test_a_name_with_a_backslash_comes_first(tmp_path: Path) -> None:
    (tmp_path / "images\\val").mkdir()
    spec = read_data_yaml(write(tmp_path, "val: images\\val\nnames: [a]"))
    assert (spec.splits, spec.notes) == ({"val": (tmp_path / "images\\val",)}, ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "val: images/val\nnames: {0: a, 2: b}",
            "the keys of 'names' .* are \\[0, 2\\]; 2 classes need the keys 0 to 1",
        ),
        ("val: images/val\nnames: [a, b]\nnc: 3", "has nc: 3 but names 2 classes"),
        ("val: images/val\nnames: [a, null]", "class 1 .* is None in YAML, not a string; put the name in quotes"),
        ("val: images/val\nnames: [a, [b]]", "class 1 .* is \\['b'\\] in YAML, not a string"),
        ("val: images/val\nnames: []", "has no class names"),
        ("val: images/val\nnc: 2", "has no class names"),
        ("names: [a]", "has no 'train:', 'val:' or 'test:'"),
        ("val: images/vla\nnames: [a]", "'val: images/vla' .* does not exist; looked for '.*images/vla'"),
        ("val: data.yaml\nnames: [a]", "is neither a folder nor a .txt list"),
        ("val: {a: b}\nnames: [a]", "is not a path"),
        ("path: nowhere\nval: images/val\nnames: [a]", "'path: nowhere' .* is not a folder; looked for '.*nowhere'"),
        ("path: C:/data\nval: images/val\nnames: [a]", "begins with a drive or server of Windows"),
        ("val: D:\\data\\val\nnames: [a]", "begins with a drive or server of Windows"),
        ('val: "images\\xal"\nnames: [a]', "a backslash in double quotes begins an escape; write paths with '/'"),
        ('val: "images\\val"\nnames: [a]', "a backslash in double quotes begins an escape; write paths with '/'"),
        ("val:images/val\nnames: [a]", "a blank is missing after 'val:' in line 1"),
        ("just text", "is not a data.yaml"),
        ("names: [a", "is not valid YAML"),
        ("names: !!python/object/apply:os.system ['true']", "is not valid YAML.*os.system"),
    ],
)
def test_errors(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(HooklineError) as raised:
        read_data_yaml(write(tmp_path, text))
    assert raised.match(message)
    assert "\n" not in str(raised.value)


def test_missing_file_names_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, "")
    with pytest.raises(HooklineError, match=r"the data set file '.*dta.yaml' does not exist; did you mean data.yaml"):
        read_data_yaml(tmp_path / "dta.yaml")


def test_binary_file(tmp_path: Path) -> None:
    file = tmp_path / "data.yaml"
    file.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(HooklineError, match="cannot read"):
        read_data_yaml(file)


def test_path_relative_to_the_working_directory_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here" / "set" / "images").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    spec = read_data_yaml(write(tmp_path, "path: set\nval: images\nnames: [a]"))
    assert spec.root == tmp_path / "here" / "set"
    assert "is relative to the working directory" in spec.notes[0]


def test_parent_prefix_of_labelling_tools_is_noted(tmp_path: Path) -> None:
    spec = read_data_yaml(write(tmp_path, "val: ../images/val\nnames: [a]"))
    assert spec.splits["val"] == (tmp_path / "images" / "val",)
    assert "was read as 'images/val'" in spec.notes[0]


def test_several_folders_per_split(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("")
    spec = read_data_yaml(write(tmp_path, "val: [images/val, more.txt]\ntrain: images\nnames: [a]"))
    assert spec.splits["val"] == (tmp_path / "images" / "val", tmp_path / "more.txt")
    assert list(spec.splits) == ["train", "val"]


def test_a_class_name_that_is_not_unicode_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "data.yaml"
    file.write_text('train: a\nval: a\nnames: ["person", "a\\uDCFF"]\n')
    with pytest.raises(HooklineError, match=r"class 1 in .* which is not Unicode|line 3, column 23"):
        read_data_yaml(file)
