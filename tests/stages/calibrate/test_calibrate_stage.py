"""The stage calibrate: sources, defaults, broken pictures, batches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from PIL import Image

from core.artifacts import Dataset, OnnxModel
from core.data.dataset import Sample
from core.data.writing import write_listing
from core.errors import HooklineError
from core.media.choices import OnError
from core.media.reader import sample_frames
from core.media.source import list_source
from core.media.tolerance import Tolerance
from core.model_facts import InputContract
from stages.calibrate import calibrate, check, fingerprint, select
from tests.support.calibrate_tools import config, ranges_of
from tests.support.media_tools import damage_packets, write_textured
from tests.support.quantize_tools import SIZE, pictures, run


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


def test_an_empty_folder_is_told_before_anything_runs(context, tmp_path):
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


def test_files_that_are_passed_over_are_a_note_and_part_of_the_key(context, model, folder):
    before = fingerprint(config(source=str(folder)), context[0])
    (folder / "x.psd").touch()
    assert calibrate(config(source=str(folder)), model, None, context[0]).notes[0].startswith("passed over 1 .psd in '")
    after = fingerprint(config(source=str(folder)), context[0])
    assert after == before | {"passed_over": "passed over 1 .psd"}


def test_several_gifs_are_images(context, model, tmp_path):
    for index in range(3):
        moving = [Image.effect_noise((64, 64), 9 + index), Image.effect_noise((64, 64), 90)]
        moving[0].save(tmp_path / f"{index}.gif", save_all=True, append_images=moving[1:], duration=100)
    assert calibrate(config(source=f"{tmp_path}/*.gif"), model, None, context[0]).pictures == 3
    assert calibrate(config(source=f"{tmp_path}/0.gif"), model, None, context[0]).pictures == 2
    assert list(check(config(source=f"{tmp_path}/*.gif"))) == []
