"""Calibration tables and caches of anybody: read, or refused in one line, in bounded time and memory."""

from __future__ import annotations

import json
import os
import random
import struct
from pathlib import Path
from typing import Any

import pytest

from core import calibration
from core.calibration import Ranges, TensorRange, read_tensorrt_cache
from core.errors import HooklineError
from tests.support.limits import bounded

GOOD = {"min": -1.0, "max": 1.0, "low": -1.0, "high": 1.0, "amax": 1.0}


def table(**changes: Any) -> dict[str, Any]:
    whole = {"method": "minmax", "pictures": 1, "model": "m", "data": "d", "preprocessing": "p", "header": ""}
    return {**whole, "tensors": {"a": GOOD}, **changes}


def test_a_good_table(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(json.dumps(table()))
    assert Ranges.read(tmp_path / "t.json").tensors == {"a": TensorRange(-1, 1, -1, 1, 1)}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "[" * 100_000,
        "{" * 100_000,
        "1" * 100_000,
        '"\\ud800"',
        '{"method": 1, "method": 2}',
        *(
            json.dumps(table(**{key: value}))
            for key, value in [
                ("tensors", []),
                ("tensors", None),
                ("tensors", {"a": 1}),
                ("tensors", {"a": {}}),
                ("tensors", {"": GOOD}),
                ("tensors", {"a\nb": GOOD}),
                ("tensors", {"a\u2028b": GOOD}),
                ("tensors", {"\ud800": GOOD}),
                ("pictures", -1),
                ("pictures", 10**30),
                ("pictures", True),
                ("pictures", 1.5),
                ("method", None),
                ("model", 3),
                ("more", 1),
            ]
        ),
        *(
            json.dumps(table(tensors={"a": {**GOOD, key: value}}))
            for key in GOOD
            for value in [1e308, -1e308, 1e31, "1", None, [1]]
        ),
        *(
            json.dumps(table(tensors={"a": GOOD})).replace("1.0", number)
            for number in ["Infinity", "NaN", "1e999", "9" * 5000]
        ),
    ],
)
def test_tables_that_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.json"
    path.write_text(text)
    with bounded(seconds=5), pytest.raises(HooklineError, match=r"t\.json' is not a calibration table") as caught:
        Ranges.read(path)
    assert len(str(caught.value)) <= 1000


@pytest.mark.parametrize("kind", ["missing", "folder", "fifo", "device", "large"])
def test_regular_files_of_some_size_only(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.json"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "large":
        monkeypatch.setattr(calibration, "MAX_BYTES", 10)
        path.write_text(json.dumps(table()))
    with pytest.raises(HooklineError, match=r"not a regular file|the limit is 10|No such file"):
        Ranges.read(path)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e39])
def test_ranges_that_no_file_can_hold_are_not_written(tmp_path: Path, value: float) -> None:
    """They come from weights that overflow; TensorRT's text contains float32 values."""
    found = Ranges("minmax", 1, "m", "d", "p", {"a": TensorRange(-value, value, -1, 1, value)})
    with pytest.raises(HooklineError, match="the observed ranges are invalid"):
        found.write(tmp_path / "t.json")
    assert not list(tmp_path.iterdir())


CACHES = {
    "empty": b"",
    "header-only": b"TRT\n",
    "not-text": b"TRT\n\xff: 3f800000\n",
    "no-value": b"TRT\na\n",
    "short": b"TRT\na: 3f\n",
    "long": b"TRT\na: 3f8000003f800000\n",
    "no-hexadecimal": b"TRT\na: zzzzzzzz\n",
    "infinite": b"TRT\na: 7f800000\n",
    "nan": b"TRT\na: 7fc00000\n",
    "negative": b"TRT\na: bf800000\n",
    "absurd": b"TRT\na: 7f7fffff\n",
    "zeros": b"TRT\na: 00000000\n",
    "twice": b"TRT\na: 3f800000\na: 3f800001\n",
    "long-name": b"TRT\n" + b"a" * 1_000_000 + b": 7f800000\n",
    "long-line": b"TRT\n" + b"a" * 5_000_000,
    "separators": b"TRT\n" + b": " * 100_000,
    "utf-16": "TRT\na: 3f800000\n".encode("utf-16"),
}


@pytest.mark.parametrize("name", CACHES)
def test_caches_that_are_refused(name: str) -> None:
    with bounded(seconds=5), pytest.raises(HooklineError) as caught:
        read_tensorrt_cache(CACHES[name])
    assert len(str(caught.value)) <= 1000


def test_damage_anywhere_in_a_cache() -> None:
    chance, refused = random.Random(0), 0
    good = b"TRT-1001-EntropyCalibration2\n" + b"".join(
        b"tensor %d: %s\n" % (index, struct.pack(">f", index / 7 + 0.1).hex().encode()) for index in range(50)
    )
    for _ in range(2000):
        changed = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(changed))
            changed[at : at + chance.randint(0, 9)] = bytes(chance.randrange(256) for _ in range(chance.randint(0, 6)))
        try:
            found = read_tensorrt_cache(bytes(changed))
        except HooklineError:
            refused += 1
        else:
            assert all(0 <= scale <= 1e28 for scale in found.scales.values())
    assert refused > 500
