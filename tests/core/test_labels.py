from __future__ import annotations

import os
import random
import time
from pathlib import Path

import numpy as np
import pytest

from core.data.label_rows import RowProblem
from core.errors import LONGEST_LINE, HooklineError
from core.labels import MAX_BAD, MAX_BYTES, check_labels

pytestmark = pytest.mark.timeout(60)
PIECES = (
    "0", "1", "-1", "0.5", ".5 .5", "1e-3", "1e999", "nan", "inf", "-inf", "0x1", "1_0", "٣", "９", "", " ", "\t",
    ",", "a", "\0", "\x85", "\u2028", "\x1c", "\r", "\n", "9" * 5000, "x" * 5000, "0 .5 .5 .5 .5\n", "1 .1 .1 .1 .1\n",
    "\ufeff", "\x1b[31m",
)  # fmt: skip


def write(folder: Path, content: str | bytes) -> Path:
    file = folder / "a.txt"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


@pytest.mark.parametrize("seed", range(6))
def test_any_text_gives_good_rows_and_short_messages(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(200):
        text = "".join(chance.choice(PIECES) + chance.choice(("", " ", "\n")) for _ in range(chance.randint(0, 20)))
        labels, bad = check_labels(write(tmp_path, text), 2)
        assert set(labels.classes.tolist()) <= {0, 1}
        assert np.isfinite(labels.boxes).all()
        assert ((labels.boxes >= 0) & (labels.boxes <= 1)).all()
        assert all(len(row.message) <= LONGEST_LINE for row in bad)


@pytest.mark.parametrize("seed", range(3))
def test_any_bytes_are_rows_or_one_line(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(100):
        file = write(tmp_path, chance.randbytes(chance.randint(0, 40)))
        try:
            check_labels(file, 2)
        except HooklineError as error:
            line = str(error)
            assert "is not UTF-8 text (byte" in line


def test_a_file_has_a_limit(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    with file.open("wb") as out:
        out.truncate(MAX_BYTES + 1)
    with pytest.raises(HooklineError, match=r"it has 8,388,609 bytes, the limit is 8,388,608"):
        check_labels(file, 2)


@pytest.mark.parametrize("name", ["fifo", "zero", "dangling", "folder", "x" * 300])
def test_only_regular_files(tmp_path: Path, name: str) -> None:
    if name == "fifo":
        os.mkfifo(tmp_path / name)
    elif name == "folder":
        (tmp_path / name).mkdir()
    elif name in {"zero", "dangling"}:
        (tmp_path / name).symlink_to({"zero": "/dev/zero", "dangling": "nowhere"}[name])
    with pytest.raises(HooklineError, match="cannot read the labels"):
        check_labels(tmp_path / name, 2)


@pytest.mark.parametrize("row", ["x\n", "0 .5 .5 .5 .5\n", "0 " * 4, "1" * 100])
def test_the_largest_file_takes_bounded_time(tmp_path: Path, row: str) -> None:
    file = write(tmp_path, row * (MAX_BYTES // len(row)))
    start = time.perf_counter()
    _, bad = check_labels(file, 2)
    assert time.perf_counter() - start < 20
    assert len(bad) <= MAX_BAD


def test_repeated_rows_hide_no_error(tmp_path: Path) -> None:
    file = write(tmp_path, "0 .5 .5 .5 .5\n" * (2 * MAX_BAD) + "7 .5 .5 .5 .5\n")
    _, bad = check_labels(file, 2)
    assert len(bad) == MAX_BAD + 1
    assert bad[-1].problem is RowProblem.unknown_class
