from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.errors import HooklineError
from core.media.choices import OnError
from core.media.reader import read_frames
from core.media.source import list_source
from core.media.tolerance import Tolerance
from stages.predict import check, predict
from stages.predict.resume_state import STATE
from tests.stages.predict.test_predict_stage import PERSON, config
from tests.support.fake_parts import detections, fake_engine, fake_parts
from tests.support.media_tools import half_a_jpeg, write_levels, write_pictures
from tests.support.stage_tools import Memory, make_context


def run(tmp_path: Path, source: Path, count: int, **options: Any) -> tuple[Any, Memory, Any]:
    parts, _, processor = fake_parts([detections(PERSON)] * count)
    context, memory = make_context(tmp_path, **parts)
    words = {"save_txt": True, "save_csv": True} | options
    return predict(config(str(source), **words), fake_engine(tmp_path), context), memory, processor


def tables(folder: Path) -> dict[str, Any]:
    rows = list(csv.reader((folder / "predictions.csv").open(newline="")))
    labels = {path.name: path.read_text() for path in sorted((folder / "labels").rglob("*.txt"))}
    lists = {name: json.loads((folder / name).read_text()) for name in ("images.json", "predictions.json")}
    return {"csv": rows, "labels": labels} | lists


def run_until(
    monkeypatch: pytest.MonkeyPatch, frames: int, tmp_path: Path, source: Path, count: int, **options: Any
) -> None:
    """A run whose writing of results ends after a number of frames, as by Ctrl-C."""
    from stages.predict.results import Results

    add, seen = Results.add, list[int]()

    def stopped(self: Results, pair: Any) -> None:
        if len(seen) == frames:
            raise KeyboardInterrupt
        seen.append(1)
        add(self, pair)

    with monkeypatch.context() as patch:
        patch.setattr(Results, "add", stopped)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, source, count, **options)


@pytest.mark.parametrize("done", [0, 1, 7, 11])
def test_images_continue_where_the_run_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: int) -> None:
    write_pictures(tmp_path / "in", [f"{index:02}.png" for index in range(12)])
    run(tmp_path / "whole", tmp_path / "in", 12)
    run_until(monkeypatch, done, tmp_path / "cut", tmp_path / "in", 12)
    former = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cut" / "work").glob("*.png")}
    assert len(former) == done
    result, memory, processor = run(tmp_path / "cut", tmp_path / "in", 12 - done, resume=True)
    assert (result.values["frames"], result.values["resumed"], result.values["boxes"]) == (12, done, 12)
    assert len(processor.filters) == 12 - done
    assert any(f"resumed: {done} of 12 images finished" in note for note in memory.notes)
    assert tables(tmp_path / "cut" / "work") == tables(tmp_path / "whole" / "work")
    for name, time in former.items():
        assert (tmp_path / "cut" / "work" / name).stat().st_mtime_ns == time
    assert not (tmp_path / "cut" / "work" / STATE).exists()


def test_boxes_of_a_frame_that_was_not_finished_are_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pictures(tmp_path / "in", [f"{index}.png" for index in range(6)])
    run(tmp_path / "whole", tmp_path / "in", 6)
    run_until(monkeypatch, 4, tmp_path / "cut", tmp_path / "in", 6)
    images = tmp_path / "cut" / "work" / "images.json"  # a killed run: boxes and labels of the fourth, but not its end
    entries = json.loads(images.read_text())
    images.write_text("[\n" + ",\n".join(map(json.dumps, entries[:3])) + ',\n{"id": 4, "file_na')
    result, *_ = run(tmp_path / "cut", tmp_path / "in", 3, resume=True)
    assert result.values["resumed"] == 3
    assert tables(tmp_path / "cut" / "work") == tables(tmp_path / "whole" / "work")


@pytest.mark.parametrize(("done", "finished"), [(3, 0), (5, 1), (6, 1), (10, 2)])
def test_videos_begin_again_with_the_one_that_was_not_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: int, finished: int
) -> None:
    for name in ("a", "b", "c"):
        write_levels(tmp_path / "in" / f"{name}.avi", 5)
    run(tmp_path / "whole", tmp_path / "in", 15)
    run_until(monkeypatch, done, tmp_path / "cut", tmp_path / "in", 15)
    frames = list(read_frames(list_source(str(tmp_path / "cut" / "work" / "a.mp4")), Tolerance(None, lambda _: None)))
    assert len(frames) == min(done, 5)
    result, memory, processor = run(tmp_path / "cut", tmp_path / "in", 15 - 5 * finished, resume=True)
    assert (result.values["frames"], result.values["resumed"]) == (15, 5 * finished)
    assert len(processor.filters) == 15 - 5 * finished
    assert any(f"resumed: {finished} of 3 videos finished; the next one starts again" in n for n in memory.notes)
    assert tables(tmp_path / "cut" / "work") == tables(tmp_path / "whole" / "work")
    for name in ("a", "b", "c"):
        source = list_source(str(tmp_path / "cut" / "work" / f"{name}.mp4"))
        assert len(list(read_frames(source, Tolerance(None, pytest.fail)))) == 5


def test_a_finished_video_is_not_run_again_where_the_next_one_cannot_be_read(tmp_path: Path) -> None:
    write_levels(tmp_path / "in" / "a.avi", 5)
    (tmp_path / "in" / "b.avi").write_bytes(b"RIFF")
    with pytest.raises(HooklineError, match="cannot be"):
        run(tmp_path, tmp_path / "in", 5, on_error=OnError.stop)
    write_levels(tmp_path / "in" / "b.avi", 5)
    result, _, processor = run(tmp_path, tmp_path / "in", 5, resume=True)
    assert (result.values["frames"], result.values["resumed"], len(processor.filters)) == (10, 5, 5)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("name", ["predictions.json", "images.json", "predictions.csv"])
@pytest.mark.parametrize("kind", ["images", "videos"])
def test_what_a_cut_file_lost_is_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, name: str, share: float
) -> None:
    if kind == "images":
        write_pictures(tmp_path / "in", [f"{index:02}.png" for index in range(12)])
    else:
        for video in range(4):
            write_levels(tmp_path / "in" / f"{video}.avi", 3)
    run(tmp_path / "whole", tmp_path / "in", 12)
    run_until(monkeypatch, 10, tmp_path / "cut", tmp_path / "in", 12)
    file = tmp_path / "cut" / "work" / name
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    result, *_ = run(tmp_path / "cut", tmp_path / "in", 12, resume=True)
    assert result.values["frames"] == 12
    assert result.values["resumed"] < 10
    made, whole = tables(tmp_path / "cut" / "work"), tables(tmp_path / "whole" / "work")
    assert {key: sorted(map(str, value)) for key, value in made.items()} == {
        key: sorted(map(str, value)) for key, value in whole.items()
    }


def test_a_file_that_changed_since_is_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = write_pictures(tmp_path / "in", [f"{index}.png" for index in range(6)])
    run_until(monkeypatch, 4, tmp_path, tmp_path / "in", 6)
    status, content = paths[1].stat(), paths[5].read_bytes()
    paths[1].write_bytes(content)
    os.utime(paths[1], ns=(status.st_atime_ns, status.st_mtime_ns))
    result, *_ = run(tmp_path, tmp_path / "in", 3, resume=True)
    assert (result.values["frames"], result.values["resumed"]) == (6, 3)


def test_a_list_that_names_other_files_of_the_same_names_is_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("one", "two"):
        write_pictures(tmp_path / folder, [f"{index}.png" for index in range(6)])
    listing = tmp_path / "list.txt"
    listing.write_text("".join(f"one/{index}.png\n" for index in range(6)))
    run_until(monkeypatch, 4, tmp_path, listing, 6)
    listing.write_text("".join(f"{'two' if index < 2 else 'one'}/{index}.png\n" for index in range(6)))
    with pytest.raises(HooklineError, match="had another source"):  # other folders: other names
        run(tmp_path, listing, 6, resume=True)
    listing.write_text("".join(f"two/{index}.png\n" for index in range(6)))
    result, *_ = run(tmp_path, listing, 6, resume=True)
    assert result.values["resumed"] == 0


def test_a_result_that_is_gone_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pictures(tmp_path / "in", [f"{index}.png" for index in range(6)])
    run_until(monkeypatch, 4, tmp_path, tmp_path / "in", 6)
    (tmp_path / "work" / "2.png").unlink()
    result, *_ = run(tmp_path, tmp_path / "in", 3, resume=True)
    assert (result.values["frames"], result.values["resumed"]) == (6, 3)
    assert (tmp_path / "work" / "2.png").is_file()


def test_damage_is_counted_over_both_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = write_pictures(tmp_path / "in", [f"{index}.jpg" for index in range(6)])
    for path in (paths[1], paths[5]):
        path.write_bytes(half_a_jpeg())
    run_until(monkeypatch, 4, tmp_path, tmp_path / "in", 6)
    result, *_ = run(tmp_path, tmp_path / "in", 2, resume=True)
    assert (result.values["resumed"], result.values["damaged"]) == (4, 2)


@pytest.mark.parametrize("wrong", [{"image_id": 1}, {"image_id": 1, "category_id": 900}, {"image_id": "x"}, 3])
def test_boxes_that_were_edited_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: object) -> None:
    interrupted(tmp_path, monkeypatch, ["a.png", "b.png"])
    (tmp_path / "work" / "predictions.json").write_text(f"[\n{json.dumps(wrong)}\n]\n")
    result, *_ = run(tmp_path, tmp_path / "in", 2, resume=True)
    assert (result.values["frames"], result.values["resumed"], result.values["boxes"]) == (2, 0, 2)


def test_results_in_the_folder_of_the_source_are_not_part_of_it(tmp_path: Path) -> None:
    write_pictures(tmp_path / "in", ["a.png"])
    write_pictures(tmp_path / "in" / "outputs" / "predict", ["old.png"])
    source = list_source(str(tmp_path / "in"))
    assert source.without(tmp_path / "in" / "outputs").names == ("a.png",)
    assert source.without(tmp_path / "elsewhere") is source
    with pytest.raises(HooklineError, match="contains only results of this run"):
        source.without(tmp_path / "in")


def interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: Sequence[str]) -> None:
    write_pictures(tmp_path / "in", names)
    run_until(monkeypatch, 1, tmp_path, tmp_path / "in", len(names))


def test_another_source_is_not_mixed_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(tmp_path, monkeypatch, ["a.png", "b.png"])
    write_pictures(tmp_path / "in", ["c.png"])
    before = (tmp_path / "work" / "images.json").read_bytes()
    with pytest.raises(HooklineError, match="had another source: 2 files, now 3"):
        run(tmp_path, tmp_path / "in", 3, resume=True)
    assert (tmp_path / "work" / "images.json").read_bytes() == before


def test_the_same_images_at_another_place_may_continue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(tmp_path, monkeypatch, ["a.png", "b.png"])
    shutil.move(tmp_path / "in", tmp_path / "moved")
    result, *_ = run(tmp_path, tmp_path / "moved", 1, resume=True)
    assert result.values["resumed"] == 1


@pytest.mark.parametrize(
    ("file", "content"),
    [
        (STATE, "[]"),
        (STATE, "{"),
        (STATE, '{"files": 1, "source": "x", "began": 1, "finished": 3}'),
        ("images.json", '[\n{"a": 1}'),
    ],
)
def test_damaged_files_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, content: str) -> None:
    interrupted(tmp_path, monkeypatch, ["a.png", "b.png"])
    (tmp_path / "work" / file).write_text(content)
    with pytest.raises(HooklineError, match="is damaged; omit resume=true"):
        run(tmp_path, tmp_path / "in", 1, resume=True)


def test_a_stream_cannot_be_resumed() -> None:
    (problem,) = check(replace(config("rtsp://host/1"), resume=True))
    assert "cannot be resumed" in str(problem)


def test_nothing_to_resume_is_said(tmp_path: Path) -> None:
    write_pictures(tmp_path / "in", ["a.png"])
    _, memory, _ = run(tmp_path, tmp_path / "in", 1, resume=True)
    assert "has no interrupted run: starting from the beginning" in memory.warnings[0]
