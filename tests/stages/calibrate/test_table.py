"""Calibration tables and the caches of TensorRT."""

from __future__ import annotations

import math
import re
import struct
from dataclasses import replace

import pytest

from core.calibration import read_tensorrt_cache
from core.errors import HooklineError
from core.storage.digest import file_digest
from stages.calibrate import calibrate, check
from stages.calibrate.table import write_table
from tests.support.calibrate_tools import config, ranges_of
from tests.support.stage_tools import make_context


def test_tensorrt_cache_lies_beside_the_table(context, model, folder):
    table = calibrate(config(source=str(folder)), model, None, context[0])
    cache = read_tensorrt_cache((table.path.parent / "calibration.cache").read_bytes())
    assert cache.header == f"hookline-minmax model={file_digest(model.path)}"
    assert cache.model == file_digest(model.path)
    tensors = ranges_of(table).tensors
    assert list(cache.scales) == list(tensors) == sorted(tensors)
    assert cache.scales == {name: pytest.approx(found.amax / 127) for name, found in tensors.items()}


def test_table_comes_back_out_of_the_cache(context, model, folder, tmp_path):
    table = calibrate(config(source=str(folder)), model, None, context[0])
    cache = table.path.parent / "calibration.cache"
    again = calibrate(config(cache=str(cache)), model, None, make_context(tmp_path / "second")[0])
    assert again.method == "tensorrt-cache"
    assert len(again.notes) == 1
    assert "hookline-minmax" in again.notes[0]
    first, second = ranges_of(table).tensors, ranges_of(again).tensors
    assert {name: found.amax for name, found in second.items()} == {
        name: pytest.approx(found.amax, rel=1e-6) for name, found in first.items()
    }


def a_cache(folder, header, scales):
    """A calibration cache with the scales as they are given in hexadecimal, or as numbers."""
    lines = [
        header,
        *(f"{name}: {scale if isinstance(scale, str) else struct.pack('>f', scale).hex()}" for name, scale in scales),
    ]
    file = folder / "given.cache"
    file.write_text("\n".join(lines) + "\n")
    return str(file)


TENSORRT = "TRT-8601-EntropyCalibration2"


def test_a_cache_of_another_model_is_refused_by_content(context, model, tmp_path):
    cache = a_cache(tmp_path, f"hookline-minmax model={'0' * 64}", [("images", 0.01), ("p3", 0.1)])
    for trust in (False, True):
        with pytest.raises(HooklineError, match=r"given\.cache' was made for another model \(sha256 000000000000"):
            calibrate(config(cache=cache, trust_cache=trust), model, None, context[0])


@pytest.mark.parametrize("header", [TENSORRT, "hookline-minmax", "hookline-minmax model=0", ""])
def test_a_cache_that_names_no_model_must_be_trusted(context, model, tmp_path, header):
    cache = a_cache(tmp_path, header, [("images", 0.01), ("p3", 0.1)])
    (problem,) = check(config(cache=cache))
    assert "does not say which model it was made for" in str(problem)
    assert "calibrate.trust_cache=true" in str(problem)
    table = calibrate(config(cache=cache, trust_cache=True), model, None, context[0])
    assert any("nothing shows that it was made for this model" in note for note in table.notes)
    assert any("of 2 tensors in the calibration cache 0 are not in the model" in note for note in table.notes)
    assert (table.path.parent / "calibration.cache").read_text().splitlines()[0] == (
        header or f"hookline-tensorrt-cache model={file_digest(model.path)}"
    )


def test_a_cache_without_a_tensor_of_the_model_is_refused(context, model, tmp_path):
    cache = a_cache(tmp_path, TENSORRT, [("a", 0.1), ("b: c", 0.1)])
    with pytest.raises(HooklineError, match=r"none of its 2 tensors is in 'tiny\.onnx'"):
        calibrate(config(cache=cache, trust_cache=True), model, None, context[0])


@pytest.mark.parametrize(
    ("scales", "message"),
    [
        ([], "has no scale above 0"),
        ([("p3", 0.0)], "has no scale above 0"),
        ([("p3", math.nan)], "line 2 of the calibration cache has the scale nan for 'p3'"),
        ([("p3", 0.1), ("p4", math.inf)], "line 3 of the calibration cache has the scale inf for 'p4'"),
        ([("p3", -0.1)], "line 2 of the calibration cache has the scale -0.1 for 'p3'"),
        ([("p3", "3c0a1")], "line 2 of the calibration cache is 'p3: 3c0a1'"),
        ([("p3", "x" * 999)], r"line 2 of the calibration cache is 'p3: x{30,}\.\.\.x+'"),
    ],
)
def test_scales_that_no_tensor_has(context, model, tmp_path, scales, message):
    with pytest.raises(HooklineError, match=message):
        calibrate(config(cache=a_cache(tmp_path, TENSORRT, scales), trust_cache=True), model, None, context[0])


def test_files_that_are_no_cache(context, model, tmp_path):
    file = tmp_path / "x.cache"
    file.write_bytes(b"TRT\n\xff\xfe: 3c010a14\n")
    with pytest.raises(HooklineError, match="the calibration cache is not text"):
        calibrate(config(cache=str(file), trust_cache=True), model, None, context[0])
    with file.open("wb") as opened:
        opened.truncate(100_000_000)
    with pytest.raises(HooklineError, match=r"x\.cache' \(it has 100,000,000 bytes"):
        calibrate(config(cache=str(file), trust_cache=True), model, None, context[0])


def test_equal_ranges_give_equal_bytes(context, model, folder, tmp_path):
    """Whichever thread was first to observe a tensor."""
    table = calibrate(config(source=str(folder)), model, None, context[0])
    ranges = ranges_of(table)
    write_table(replace(ranges, tensors=dict(reversed(ranges.tensors.items()))), tmp_path)
    for name in ("calibration.json", "calibration.cache"):
        assert (tmp_path / name).read_bytes() == (table.path.parent / name).read_bytes()


@pytest.mark.parametrize("edit", ["NaN", '"1.0"', "null", "-1.0", "{}", "1e999"])
def test_a_table_that_was_edited_is_no_calibration_table(context, model, folder, edit):
    table = calibrate(config(source=str(folder)), model, None, context[0])
    text = re.sub(r'("amax": )[^\n]+', rf"\g<1>{edit}", table.path.read_text(), count=1)
    table.path.write_text(text)
    with pytest.raises(HooklineError, match="is not a calibration table"):
        ranges_of(table)
