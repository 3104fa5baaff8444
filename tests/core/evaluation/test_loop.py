from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from core.data.dataset import Sample
from core.detections import Filter
from core.errors import HooklineError
from core.evaluation.loop import evaluate_session
from core.inference.pipeline import PHASES
from core.media.tolerance import Tolerance
from tests.support.dataset_tools import write_picture
from tests.support.fake_parts import FakeProcessor, FakeSession, detections, fake_engine
from tests.support.heads_tools import head_for
from tests.support.media_tools import half_a_jpeg


def make_samples(folder: Path, count: int) -> list[Sample]:
    return [Sample(write_picture(folder / f"{index}.png", (40 + index, 30)), None) for index in range(count)]


@pytest.mark.parametrize("batch", [1, 3, 5, 8])
def test_every_picture_in_order(tmp_path: Path, batch: int) -> None:
    samples = make_samples(tmp_path, 5)
    session = FakeSession(fake_engine(tmp_path))
    processor = FakeProcessor({"fake": [detections((0, 0, index + 1, 1, 0.5, 0)) for index in range(5)]})
    advanced: list[int] = []
    result = evaluate_session(
        session,
        samples,
        processor,
        Filter(),
        Tolerance(5, advanced.append),
        head=head_for(session),
        batch=batch,
        advance=advanced.append,  # type: ignore[arg-type]
    )
    assert [(seen.index, seen.width, seen.height) for seen in result.images] == [(i, 40 + i, 30) for i in range(5)]
    assert [seen.found.boxes[0, 2] for seen in result.images] == [1, 2, 3, 4, 5]
    assert session.calls[0] == session.contract.batch  # the warm-up
    assert sum(session.calls[1:]) == sum(advanced) == 5
    assert max(session.calls) <= batch


def test_unreadable_picture_is_left_out(tmp_path: Path) -> None:
    samples = make_samples(tmp_path, 21)
    samples[3].image.write_text("no picture")
    warnings: list[str] = []
    tolerance = Tolerance(len(samples), warnings.append)
    processor = FakeProcessor({"fake": [detections()] * 20})
    session = FakeSession(fake_engine(tmp_path))
    result = evaluate_session(session, samples, processor, Filter(), tolerance, head=head_for(session), batch=4)
    assert [seen.index for seen in result.images] == [index for index in range(21) if index != 3]
    assert len(warnings) == len(tolerance.unreadable) == 1
    assert "3.png" in warnings[0]


def test_nothing_readable_is_an_error(tmp_path: Path) -> None:
    (sample,) = make_samples(tmp_path, 1)
    sample.image.write_text("no picture")
    session = FakeSession(fake_engine(tmp_path))
    with pytest.raises(HooklineError, match="1 of 1 file cannot be read"):
        evaluate_session(
            session, [sample], FakeProcessor({}), Filter(), Tolerance(1, lambda _: None), head=head_for(session)
        )


def test_a_damaged_picture_is_used_and_named(tmp_path: Path) -> None:
    samples = make_samples(tmp_path, 3)
    samples[1].image.write_bytes(half_a_jpeg())
    warnings: list[str] = []
    tolerance = Tolerance(3, warnings.append)
    processor = FakeProcessor({"fake": [detections()] * 3})
    session = FakeSession(fake_engine(tmp_path))
    result = evaluate_session(session, samples, processor, Filter(), tolerance, head=head_for(session))
    assert len(result.images) == 3
    assert list(tolerance.damaged) == [str(samples[1].image)]
    assert len(warnings) == 1


def test_too_many_unreadable_pictures(tmp_path: Path) -> None:
    samples = make_samples(tmp_path, 10)
    for sample in samples[3:5]:
        sample.image.write_text("no picture")
    processor = FakeProcessor({"fake": [detections()] * 10})
    session, tolerance = FakeSession(fake_engine(tmp_path)), Tolerance(10, lambda _: None)
    with pytest.raises(HooklineError, match="2 of 10 files cannot be read"):
        evaluate_session(session, samples, processor, Filter(), tolerance, head=head_for(session))


def test_batches_in_another_order_and_shape(tmp_path: Path) -> None:
    sizes = [(64, 64), (30, 70), (80, 40)]  # width, height; by aspect ratio 2, 0, 1
    samples = [Sample(write_picture(tmp_path / f"{width}.png", (width, height)), None) for width, height in sizes]
    session = FakeSession(fake_engine(tmp_path, dynamic=("height", "width")))
    processor = FakeProcessor({"fake": [detections((0, 0, index + 1, 1, 0.5, 0)) for index in (2, 0, 1)]})
    result = evaluate_session(
        session,
        samples,
        processor,
        Filter(),
        Tolerance(3, lambda _: None),
        head=head_for(session),
        rectangular=True,
        upscale=False,
    )
    assert [(seen.index, seen.found.boxes[0, 2]) for seen in result.images] == [(0, 1), (1, 2), (2, 3)]
    assert session.shapes[1:] == [(32, 64), (64, 64), (64, 32)]
    assert {(fit, upscale) for _, fit, upscale in processor.prepared} == {((32, 32), False)}


def test_the_next_images_are_prepared_while_the_model_infers(tmp_path: Path) -> None:
    threads: dict[str, list[str]] = {"prepare": [], "detect": []}

    class Processor(FakeProcessor):
        def prepare(self, *arguments: Any, **options: Any) -> Any:
            threads["prepare"].append(threading.current_thread().name)
            return super().prepare(*arguments, **options)

        def detect(self, *arguments: Any) -> Any:
            threads["detect"].append(threading.current_thread().name)
            return super().detect(*arguments)

    session = FakeSession(fake_engine(tmp_path))
    evaluate_session(
        session,
        make_samples(tmp_path, 3),
        Processor({"fake": [detections()] * 3}),
        Filter(),
        Tolerance(3, lambda _: None),
        head=head_for(session),
    )
    here = threading.current_thread().name
    assert threads == {"prepare": [here, "ahead", "ahead", "ahead"], "detect": [here] * 3}  # the first: the warm-up


@pytest.mark.parametrize("batch", [1, 4])
def test_several_reading_threads_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    samples = make_samples(tmp_path, 30)
    samples[3].image.write_text("no image")
    results = []
    for threads in (1, 4):
        monkeypatch.setattr("core.evaluation.loop.reading_threads", lambda threads=threads: threads)
        session, warnings = FakeSession(fake_engine(tmp_path)), list[str]()
        processor = FakeProcessor({"fake": [detections((0, 0, index + 1, 1, 0.5, 0)) for index in range(29)]})
        tolerance, head = Tolerance(30, warnings.append), head_for(session)
        found = evaluate_session(session, samples, processor, Filter(), tolerance, head=head, batch=batch)
        results.append(
            ([(seen.index, seen.width, seen.found.boxes.tolist()) for seen in found.images], warnings, session.calls)
        )
    assert results[0] == results[1]
    assert len(results[0][0]) == 29


def test_no_pictures(tmp_path: Path) -> None:
    session = FakeSession(fake_engine(tmp_path))
    result = evaluate_session(
        session, [], FakeProcessor({}), Filter(), Tolerance(0, lambda _: None), head=head_for(session)
    )
    assert (result.images, session.calls) == ([], [])


def test_times_by_phase(tmp_path: Path) -> None:
    samples = make_samples(tmp_path, 4)
    session = FakeSession(fake_engine(tmp_path), seconds=0.02)
    processor = FakeProcessor({"fake": [detections()] * 4})
    result = evaluate_session(
        session, samples, processor, Filter(), Tolerance(4, lambda _: None), head=head_for(session)
    )
    figures = result.milliseconds()
    assert tuple(figures) == PHASES
    assert all(value > 0 for value in figures.values())
    assert 20 <= figures["inference"] <= 1000 * result.wall / 4
