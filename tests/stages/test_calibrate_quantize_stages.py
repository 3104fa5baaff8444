"""The stages calibrate and quantize: sources, defaults, damaged images, batches, caches, and the way to int8."""

from __future__ import annotations

import math
import re
import struct
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from backends.calibrators.plugin import hookline_calibrators
from backends.cv.plugin import hookline_processors
from backends.graphsurgeon.plugin import hookline_quantizers
from backends.ort.plugin import hookline_runtimes
from backends.yolov5.plugin import hookline_models
from core.artifacts import CalibrationTable, Dataset, OnnxModel
from core.calibration import Ranges, read_tensorrt_cache
from core.data.dataset import Sample
from core.data.writing import write_listing
from core.errors import HooklineError
from core.media.reader import sample_frames
from core.media.source import list_source
from core.media.tolerance import MAX_PIXELS, OnError, Tolerance
from core.model_facts import InputContract, Precision
from core.storage.digest import file_digest
from stages.calibrate import calibrate, check, fingerprint, select
from stages.calibrate.config import CalibrateConfig
from stages.calibrate.table import write_table
from stages.quantize import quantize
from stages.quantize import select as select_for_precision
from stages.quantize.config import QuantizeConfig
from tests.support.media_tools import damage_packets, write_textured
from tests.support.quantize_tools import SIZE, pictures, run, tiny_detector
from tests.support.stage_tools import make_context


@pytest.fixture
def context(tmp_path):
    parts = {
        "calibrators": list(hookline_calibrators()),
        "processors": list(hookline_processors()),
        "quantizers": list(hookline_quantizers()),
        "runtimes": list(hookline_runtimes()),
    }
    return make_context(tmp_path / "run", models=list(hookline_models()), **parts)


@pytest.fixture
def model(tmp_path):
    return tiny_detector(tmp_path / "tiny.onnx")


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "pictures"
    made.mkdir()
    for index, picture in enumerate(pictures(6)):
        cv2.imwrite(str(made / f"{index}.png"), (picture.transpose(1, 2, 0)[:, :, ::-1] * 255).round().astype(np.uint8))
    return made


def config(**options):
    defaults = {"data": None, "calibrator": "minmax", "processor": "opencv", "runtime": "onnxruntime"}
    return CalibrateConfig(max_pixels=MAX_PIXELS, **{**defaults, **options})


def quantising(precision, backend="onnxruntime", quantizer="qdq"):
    return QuantizeConfig(precision=precision, backend=backend, quantizer=quantizer)


def ranges_of(table):
    return Ranges.read(table.path)


def test_table_holds_the_range_of_every_activation(context, model, folder):
    table = calibrate(config(source=str(folder)), model, None, context[0])
    found = ranges_of(table)
    assert (table.method, table.pictures, found.pictures) == ("minmax", 6, 6)
    (note,) = table.notes
    assert note.startswith(
        "calibrated on 6 images: ranges of fewer than 32 images often cut activations of other images"
    )
    graph = onnx.load(model.path).graph
    assert set(found.tensors) == {"images", *(name for node in graph.node for name in node.output)}
    feeds = np.concatenate([np.round(item * 255) / 255 for item in pictures(6)[:, None]]).astype(np.float32)
    p3 = np.concatenate([run(model.path, feeds[i : i + 1])[0] for i in range(6)])
    assert found.tensors["p3"].min == pytest.approx(p3.min(), abs=1e-6)
    assert found.tensors["p3"].max == pytest.approx(p3.max(), abs=1e-6)
    assert (found.tensors["images"].low, found.tensors["images"].high) == (feeds.min(), feeds.max())
    assert context[1].steps == 6


def test_tensorrt_cache_is_next_to_the_table(context, model, folder):
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


def test_seed_draws_the_pictures(context, model, folder):
    def table(seed, count=3):
        return ranges_of(
            calibrate(config(source=str(folder), pictures=count), model, None, replace(context[0], seed=seed))
        )

    assert table(0) == table(0)
    assert table(0).pictures == 3
    assert len({str(table(seed).tensors["p3"]) for seed in range(8)}) > 1


def test_one_broken_picture_of_many_is_named_skipped_and_counted(context, model, folder):
    for index in range(6, 40):
        (folder / f"{index}.png").write_bytes((folder / "0.png").read_bytes())
    (folder / "broken.png").write_bytes(b"not a picture")
    table = calibrate(config(source=str(folder)), model, None, context[0])
    assert table.pictures == 40
    assert any("broken.png" in line for line in context[1].warnings)
    assert table.notes == ("1 of 41 calibration files could not be read",)


def test_too_many_broken_pictures_are_an_error(context, model, folder):
    for name in ("broken.png", "empty.png"):
        (folder / name).write_bytes(b"not a picture")
    with pytest.raises(HooklineError, match=r"2 of 8 files cannot be read: 'broken\.png'"):
        calibrate(config(source=str(folder)), model, None, context[0])
    assert not list(context[0].workdir.iterdir())


def test_any_number_may_be_skipped_or_none(context, model, folder):
    for name in ("broken.png", "empty.png"):
        (folder / name).write_bytes(b"not a picture")
    table = calibrate(config(source=str(folder), on_error=OnError.skip), model, None, context[0])
    assert table.pictures == 6
    (folder / "empty.png").unlink()
    assert calibrate(config(source=str(folder)), model, None, context[0]).pictures == 6
    with pytest.raises(HooklineError, match=r"1 of 7 files .*calibrate\.on_error=skip allows any number"):
        calibrate(config(source=str(folder), on_error=OnError.stop), model, None, context[0])


def test_damaged_frames_are_not_observed_and_draws_stay_the_same(context, model, tmp_path):
    video = write_textured(tmp_path / "a.avi", 30)
    drawn = [frame.index for frame in sample_frames(list_source(str(video)), 20, 0, Tolerance(None, pytest.fail))]
    damage_packets(video, [drawn[3]])
    table = calibrate(config(source=str(video), pictures=20), model, None, context[0])
    assert table.pictures == 19
    assert "damaged frames of the video are left out (1 found)" in table.notes


def test_an_empty_folder_is_reported_before_anything_runs(context, tmp_path):
    (tmp_path / "empty").mkdir()
    (problem,) = check(config(source=str(tmp_path / "empty")))
    assert "no images or video in folder" in str(problem)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "rtsp://camera/1"}, "cannot calibrate on the stream"),
        ({"cache": "nowhere.cache"}, r"cannot read the calibration cache 'nowhere\.cache' \(No such file"),
        ({"cache": __file__, "source": __file__}, r"both calibrate\.source and calibrate\.cache"),
        ({"cache": __file__}, "does not say which model it was made for"),
        ({"cache": __file__, "trust_cache": True}, "line 3 of the calibration cache"),
    ],
)
def test_wrong_options(context, model, options, message):
    with pytest.raises(HooklineError, match=message):
        calibrate(config(**options), model, None, context[0])


def test_static_batches_are_filled_up_and_only_pictures_count(context, model, folder, tmp_path):
    graph = onnx.load(model.path)
    for value in [*graph.graph.input, *graph.graph.output]:
        value.type.tensor_type.shape.dim[0].dim_value = 4
    del graph.graph.value_info[:]
    onnx.save(graph, tmp_path / "four.onnx")
    four = replace(model, path=tmp_path / "four.onnx", contract=InputContract(4, SIZE, SIZE))
    single = ranges_of(calibrate(config(source=str(folder)), model, None, context[0])).tensors
    batched = ranges_of(calibrate(config(source=str(folder)), four, None, context[0])).tensors
    assert {name: found.min for name, found in batched.items()} == {
        name: pytest.approx(found.min, abs=1e-5) for name, found in single.items()
    }


def test_train_split_of_the_data_set(context, model, folder, tmp_path):
    samples = [Sample(path, None) for path in sorted(folder.glob("*.png"))]
    listing = tmp_path / "dataset.json"
    write_listing(listing, ("a", "b"), {"train": samples[:4], "val": samples[4:]}, "digest", tmp_path / "data.yaml")
    dataset = Dataset(path=listing, digest="0", names=("a", "b"), splits={"train": 4, "val": 2})
    with_data = config(data="data.yaml")
    assert set(select(with_data)) == {OnnxModel, Dataset}
    assert set(select(config())) == {OnnxModel, Dataset}  # taken where an earlier stage made one
    assert set(select(replace(with_data, source="x"))) == {OnnxModel}
    assert calibrate(with_data, model, dataset, context[0]).pictures == 4
    with pytest.raises(HooklineError, match="unknown split 'trian'; did you mean train"):
        calibrate(replace(with_data, split="trian"), model, dataset, context[0])


def test_default_video_is_said_loudly(context, model, folder, monkeypatch):
    monkeypatch.setattr("core.inference.calibration_images.asset", lambda *_: folder / "0.png")
    table = calibrate(config(), model, None, context[0])
    assert "default street video" in table.notes[0]
    assert "calibrate.source=" in table.notes[0]
    assert "default street video" in context[1].notes[0]


def test_fingerprint_follows_the_content(context, folder):
    before = fingerprint(config(source=str(folder)), context[0])
    assert before == fingerprint(config(source=str(folder)), context[0])
    (folder / "6.png").write_bytes((folder / "0.png").read_bytes())
    assert fingerprint(config(source=str(folder)), context[0]) != before
    assert fingerprint(config(), context[0])["source"]
    assert fingerprint(config(data="data.yaml"), context[0]) == {"split": "train"}


@pytest.mark.parametrize(("calibrator", "tolerance"), [("minmax", 0.08), ("percentile", 0.08), ("entropy", 0.3)])
def test_the_way_to_int8(context, model, folder, calibrator, tolerance):
    table = calibrate(config(source=str(folder), calibrator=calibrator), model, None, context[0])
    quantised = quantize(quantising(Precision.int8), model, table, context[0])
    assert (quantised.precision, quantised.runtime, quantised.layout) == (Precision.int8, "onnxruntime", "heads")
    assert quantised.path == context[0].workdir / "tiny-int8.onnx"
    feed = pictures(1, seed=5)
    for exact, rounded in zip(run(model.path, feed), run(quantised.path, feed), strict=True):
        assert np.abs(exact - rounded).max() < tolerance


def test_precision_says_what_is_needed(context, model):
    assert set(select_for_precision(quantising(Precision.int8), context[0])) == {OnnxModel, CalibrationTable}
    assert set(select_for_precision(quantising(Precision.fp16), context[0])) == {OnnxModel}
    classic = replace(model, layout="classic")
    with pytest.raises(HooklineError, match=r"layout classic cannot be converted to fp16; .*export\.layout=heads"):
        quantize(quantising(Precision.fp16), classic, None, context[0])
    same = quantize(quantising(Precision.fp32), model, None, context[0])
    np.testing.assert_array_equal(run(same.path, pictures(1))[0], run(Path(model.path), pictures(1))[0])
