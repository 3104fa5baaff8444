from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from core.artifacts import Checkpoint, Engine, GraftedModel, OnnxModel, Predictions
from core.detections import Detections
from core.errors import HooklineError
from core.media.choices import MAX_PIXELS
from core.media.frame import Frame
from core.media.reader import read_frames
from core.media.source import list_source
from core.media.tolerance import Gap, Tolerance
from core.options.model_form import ModelForm
from stages.predict import check, hookline_stages, predict, select
from stages.predict.config import PredictConfig
from tests.support.fake_parts import detections, fake_engine, fake_parts
from tests.support.media_tools import write_levels, write_pictures
from tests.support.stage_tools import Memory, make_context

PERSON = [10, 10, 40, 40, 0.9, 0]


def config(source: Any, **options: Any) -> PredictConfig:
    words = {
        "conf": None,
        "iou": None,
        "max_det": 300,
        "classes": None,
        "processor": "fake",
        "imgsz": 32,
        "resume": False,
    }
    return PredictConfig(source=source, max_pixels=MAX_PIXELS, **words | options)


def run(tmp_path: Path, source: Any, found: Sequence[Detections], **options: Any) -> tuple[Predictions, Memory, Any]:
    parts, _, processor = fake_parts(found)
    context, memory = make_context(tmp_path, **parts)
    return predict(config(source, **options), fake_engine(tmp_path), context), memory, processor


def test_pictures(tmp_path: Path) -> None:
    write_pictures(tmp_path / "in", ["a.png", "b/a.png"])
    result, memory, _ = run(tmp_path, str(tmp_path / "in"), [detections(PERSON), detections()])
    folder = result.path.parent
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        "a.png",
        "b/a.png",
        "images.json",
        "predictions.json",
    ]
    assert not np.array_equal(cv2.imread(str(folder / "a.png")), cv2.imread(str(tmp_path / "in" / "a.png")))
    np.testing.assert_array_equal(cv2.imread(str(folder / "b" / "a.png")), cv2.imread(str(tmp_path / "in/b/a.png")))
    assert len(json.loads(result.path.read_text())) == 1
    assert memory.notes == ["a.png: 1 box (1 person)", "b/a.png: 0 boxes"]
    assert result.report[0] == "2 images: 1 box (1 person)"
    assert " images/s, " in result.report[1]
    assert memory.steps == 2
    values = result.values
    assert (values["frames"], values["boxes"], values["unreadable"], values["dropped"]) == (2, 1, 0, 0)
    assert values["frames_per_second"] > 0
    assert 0 < values["share_outside_inference"] <= 1
    assert values["ms_decode"] > 0
    assert values["ms_encode"] > 0


def test_video(tmp_path: Path) -> None:
    video = write_levels(tmp_path / "in.avi", 20, fps=5)
    result, _, _ = run(tmp_path, str(video), [detections(PERSON)] * 20, save_txt=True, save_csv=True)
    folder = result.path.parent
    frames = list(read_frames(list_source(str(folder / "in.mp4")), Tolerance(None, pytest.fail)))
    assert len(frames) == 20
    assert frames[0].rate == 5
    assert frames[0].picture.shape == (48, 64, 3)
    assert len(list((folder / "labels").iterdir())) == 20
    assert (folder / "labels" / "in_000007.txt").read_text().startswith("0 ")
    assert len((folder / "predictions.csv").read_text().splitlines()) == 21
    assert [image["file_name"] for image in json.loads((folder / "images.json").read_text())][:2] == [
        "in.avi#0",
        "in.avi#1",
    ]


def test_stride_keeps_the_speed_of_a_video(tmp_path: Path) -> None:
    video = write_levels(tmp_path / "in.avi", 20, fps=10)
    result, _, _ = run(tmp_path, str(video), [detections()] * 20, vid_stride=2, frames=8)
    frames = list(read_frames(list_source(str(result.path.parent / "in.mp4")), Tolerance(None, pytest.fail)))
    assert len(frames) == 8
    assert frames[5].seconds == pytest.approx(1.0, abs=1e-3)


def test_several_videos_give_several(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_levels(tmp_path / "in" / f"{name}.avi", 3)
    result, _, _ = run(tmp_path, str(tmp_path / "in"), [detections()] * 6)
    assert sorted(path.name for path in result.path.parent.glob("*.mp4")) == ["a.mp4", "b.mp4"]


def test_without_drawing_only_text_is_written(tmp_path: Path) -> None:
    write_pictures(tmp_path / "in", ["a.png"])
    result, _, _ = run(tmp_path, str(tmp_path / "in"), [detections(PERSON)], draw=False)
    assert sorted(path.name for path in result.path.parent.iterdir()) == ["images.json", "predictions.json"]


def test_a_list_of_files_and_what_is_wanted_reach_the_processor(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "in", ["a.png", "b.png"])
    _, _, processor = run(tmp_path, [str(path) for path in paths], [detections()] * 2, classes="dog", conf=0.5, batch=2)
    (wanted,) = processor.filters
    assert (wanted.classes, wanted.conf, wanted.iou, wanted.max_det) == ((1,), 0.5, 0.45, 300)


def test_defaults(tmp_path: Path) -> None:
    (path,) = write_pictures(tmp_path / "in", ["a.png"])
    _, _, processor = run(tmp_path, str(path), [detections()])
    assert processor.filters[0].conf == 0.25


def test_a_model_that_drops_boxes_itself_is_reported(tmp_path: Path) -> None:
    (path,) = write_pictures(tmp_path / "in", ["a.png"])
    parts, _, _ = fake_parts([detections()])
    context, memory = make_context(tmp_path, **parts)
    predict(config(str(path), conf=0.1), fake_engine(tmp_path, score_threshold=0.25), context)
    assert "to keep them, set graft.score_threshold=0.1" in memory.warnings[0]


def test_a_broken_picture_among_many_is_named_and_counted(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "in", [f"{index:02}.png" for index in range(20)])
    paths[3].write_bytes(b"broken")
    result, memory, _ = run(tmp_path, str(tmp_path / "in"), [detections()] * 19)
    assert (result.values["frames"], result.values["unreadable"]) == (19, 1)
    assert memory.warnings[0].startswith("skipped '03.png'")


def test_a_failure_keeps_what_is_finished(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "in", [f"{index}.png" for index in range(6)])
    for path in paths[4:]:
        path.write_bytes(b"broken")
    parts, _, _ = fake_parts([detections(PERSON)] * 6)
    context, memory = make_context(tmp_path, **parts)
    with pytest.raises(HooklineError, match=r"2 of 6 files cannot be read.*predict\.on_error=skip"):
        predict(config(str(tmp_path / "in"), save_csv=True), fake_engine(tmp_path), context)
    kept = sorted(path.name for path in context.workdir.iterdir() if not path.name.startswith("."))
    assert kept == ["0.png", "1.png", "2.png", "3.png", "images.json", "predictions.csv", "predictions.json"]
    assert len(json.loads((context.workdir / "predictions.json").read_text())) == 4
    (artifact,) = context.kept
    assert (artifact.values["frames"], artifact.values["total"], artifact.values["unreadable"]) == (4, 6, 2)
    assert any(note.startswith("kept, not complete: 4 images") for note in memory.notes)


def test_ctrl_c_ends_a_live_stream_and_keeps_what_was_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stages.predict import predicting as prediction

    def camera(*_: Any, **__: Any) -> Any:
        for index in range(3):
            yield Frame(index, f"stream#{index}", None, index, np.zeros((48, 64, 3), np.uint8), index / 10, 10.0)
        while not seen:
            pass
        raise KeyboardInterrupt

    seen: list[int] = []
    add = prediction.Results.add
    monkeypatch.setattr(prediction.Results, "add", lambda self, pair: (add(self, pair), seen.append(1)))
    monkeypatch.setattr(prediction, "read_frames", camera)
    result, memory, _ = run(tmp_path, "rtsp://host/1", [detections(PERSON)] * 3)
    assert "interrupted by Ctrl-C" in memory.notes
    assert 1 <= result.values["frames"] <= 3
    frames = list(read_frames(list_source(str(result.path.parent / "stream.mp4")), Tolerance(None, pytest.fail)))
    assert len(frames) == result.values["frames"]


def ended_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera that gives three frames, goes silent once, and stays away after the third."""
    from stages.predict import predicting as prediction

    def camera(_: Any, tolerance: Tolerance, **__: Any) -> Any:
        for index in range(3):
            yield Frame(index, f"stream#{index}", None, index, np.zeros((48, 64, 3), np.uint8), index / 10, 10.0)
            if index == 1:
                tolerance.gaps.append(Gap(1, 0.1, 4.2, "2026-11-30T10:00:00+01:00", "no frame for 10 s", 2))
        tolerance.gaps.append(Gap(2, 4.2, None, "2026-11-30T10:00:10+01:00", "the sender ended the stream", 0))
        tolerance.ended = "the sender ended the stream"

    monkeypatch.setattr(prediction, "read_frames", camera)


def test_a_stream_that_stays_away_ends_with_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended_stream(monkeypatch)
    result, memory, _ = run(tmp_path, "rtsp://host/1", [detections(PERSON)] * 3, reconnect=15.0)
    assert memory.warnings == ["the stream 'rtsp://host/1' ended: the sender ended the stream"]
    assert (result.values["frames"], result.values["gaps"]) == (3, 2)
    report = json.loads((result.path.parent / "stream.json").read_text())
    assert report["ended"] == "the sender ended the stream"
    assert [(gap["began"], gap["ended"], gap["reason"]) for gap in report["gaps"]] == [
        (0.1, 4.2, "no frame for 10 s"),
        (4.2, None, "the sender ended the stream"),
    ]


def test_without_reconnection_the_end_of_a_stream_is_an_error_and_its_frames_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended_stream(monkeypatch)
    parts, _, _ = fake_parts([detections(PERSON)] * 3)
    context, _ = make_context(tmp_path, **parts)
    with pytest.raises(HooklineError, match=r"ended: the sender ended the stream; set predict\.reconnect="):
        predict(config("rtsp://host/1", reconnect=0.0), fake_engine(tmp_path), context)
    assert context.kept[0].values["frames"] == 3
    assert len(json.loads((context.workdir / "images.json").read_text())) == 3
    assert (context.workdir / "stream.json").is_file()


def test_a_mistake_in_the_options_leaves_nothing(tmp_path: Path) -> None:
    write_pictures(tmp_path / "in", ["a.png"])
    parts, _, _ = fake_parts([detections()])
    context, _ = make_context(tmp_path, **parts)
    with pytest.raises(HooklineError, match="unknown class"):
        predict(config(str(tmp_path / "in"), classes="persn"), fake_engine(tmp_path), context)
    assert list(context.workdir.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": None}, "predict has no source; give source="),
        ({"source": "nowhere.jpg"}, "no such source 'nowhere.jpg'"),
    ],
)
def test_mistakes_are_found_before_anything_runs(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    (path,) = write_pictures(tmp_path / "in", ["a.png"])
    problems = list(check(config(**{"source": str(path)} | options)))
    assert [message in str(problem) for problem in problems] == [True]


def test_an_unknown_class_is_reported_with_the_nearest_names(tmp_path: Path) -> None:
    (path,) = write_pictures(tmp_path / "in", ["a.png"])
    with pytest.raises(HooklineError, match="unknown class 'persn'; did you mean person"):
        run(tmp_path, str(path), [detections()], classes=["persn"])


@pytest.mark.parametrize(
    ("form", "kind"),
    [("engine", Engine), ("grafted", GraftedModel), ("heads", OnnxModel), ("checkpoint", Checkpoint)],
)
def test_the_model_asked_for_is_selected(tmp_path: Path, form: str, kind: type[Any]) -> None:
    assert set(select(config("x", model=ModelForm(form)))) == {kind}


def test_the_stage() -> None:
    (stage,) = hookline_stages()
    assert stage.signature.provides == (Predictions,)
    assert not stage.stored


def test_names_that_are_not_utf8_are_resumed(tmp_path: Path) -> None:
    names = [os.fsdecode(b"a\xff.png"), "b.png", "c.png"]
    write_pictures(tmp_path / "plain", ["0.png", "1.png", "2.png"])
    (tmp_path / "in").mkdir()
    for number, name in enumerate(names):
        (tmp_path / "plain" / f"{number}.png").rename(tmp_path / "in" / name)
    parts, _, _ = fake_parts([detections(PERSON)] * 2)
    context, _ = make_context(tmp_path, **parts)
    with pytest.raises(ValueError, match="zip"):  # the third image is more than the fake has boxes for
        predict(config(str(tmp_path / "in"), save_csv=True), fake_engine(tmp_path), context)
    table = tmp_path / "work" / "predictions.csv"
    assert table.read_bytes().splitlines()[1].startswith(b"a\xff.png,0,")
    parts, _, _ = fake_parts([detections(PERSON)])
    context, _ = make_context(tmp_path, **parts)
    made = predict(config(str(tmp_path / "in"), save_csv=True, resume=True), fake_engine(tmp_path), context)
    assert made.values["resumed"] == 2
    rows = table.read_bytes().splitlines()
    assert [row.split(b",")[0] for row in rows] == [b"file", b"a\xff.png", b"b.png", b"c.png"]


def test_files_that_are_passed_over_are_counted(tmp_path: Path) -> None:
    write_pictures(tmp_path / "in", ["a.png"])
    (tmp_path / "in" / "x.psd").touch()
    _, memory, _ = run(tmp_path, str(tmp_path / "in"), [detections()])
    assert memory.warnings == [f"passed over 1 .psd in '{tmp_path}/in'"]
