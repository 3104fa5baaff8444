from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.artifacts import Comparison, Engine
from core.errors import HooklineError
from core.kinds.part import Availability
from core.media.choices import MAX_PIXELS
from core.storage.sidecar import write_sidecar
from core.storage.store import complete
from stages.compare import check, hookline_stages
from stages.compare.agreement import Agreement, match, pairwise_iou
from stages.compare.comparing import compare_models
from stages.compare.config import CompareConfig
from tests.support.dataset_tools import write_picture
from tests.support.fake_parts import FakeProcessor, FakeRuntime, FakeSession, detections, fake_engine, fake_parts
from tests.support.stage_tools import Memory, make_context

BOX = (10, 10, 30, 30)
SHIFTED = (12, 10, 32, 30)  # IoU 18/22 with BOX
FAR = (50, 50, 70, 70)


def test_pairwise_iou() -> None:
    boxes = np.array([BOX, SHIFTED, FAR, (5, 5, 5, 5)], np.float32)
    expected = np.eye(4)
    expected[0, 1] = expected[1, 0] = 18 / 22
    np.testing.assert_allclose(pairwise_iou(boxes, boxes), expected)
    assert pairwise_iou(boxes, boxes[:0]).shape == (4, 0)


@pytest.mark.parametrize(
    ("first", "second", "pairs"),
    [
        ([], [], []),
        ([(*BOX, 0.9, 0)], [], []),
        ([], [(*BOX, 0.9, 0)], []),
        ([(*BOX, 0.9, 0)], [(*SHIFTED, 0.5, 0)], [(0, 0)]),
        ([(*BOX, 0.9, 0)], [(*BOX, 0.5, 1)], []),
        ([(*BOX, 0.9, 0)], [(*FAR, 0.5, 0)], []),
        ([(*BOX, 0.9, 0)], [(*SHIFTED, 0.5, 0), (*BOX, 0.4, 0)], [(0, 1)]),
        ([(*BOX, 0.9, 0), (*SHIFTED, 0.8, 0)], [(*SHIFTED, 0.5, 0)], [(0, 0)]),
        ([(*BOX, 0.3, 0), (*SHIFTED, 0.8, 0)], [(*SHIFTED, 0.5, 0)], [(1, 0)]),
        ([(*BOX, 0.9, 0), (*SHIFTED, 0.8, 0)], [(*SHIFTED, 0.5, 0), (*BOX, 0.4, 0)], [(0, 1), (1, 0)]),
    ],
)
def test_match(first: Any, second: Any, pairs: list[tuple[int, int]]) -> None:
    assert [pair[:2] for pair in match(detections(*first), detections(*second))] == pairs


def test_overlap_of_exactly_one_half_is_a_pair() -> None:
    found = match(detections((0, 0, 10, 10, 0.9, 0)), detections((0, 0, 10, 5, 0.9, 0)))
    assert found == [(0, 0, 0.5)]
    assert match(detections((0, 0, 10, 10, 0.9, 0)), detections((0, 0, 10, 4.9, 0.9, 0))) == []


def test_agreement_by_hand() -> None:
    agreement = Agreement()
    agreement.add(detections((*BOX, 0.9, 0), (*FAR, 0.8, 1)), detections((*SHIFTED, 0.7, 0)))
    agreement.add(detections(), detections((*FAR, 0.5, 0)))
    agreement.add(detections((*FAR, 0.6, 1)), detections((*FAR, 0.5, 1)))
    values = agreement.values()
    assert values["f1"] == pytest.approx(4 / 6)
    assert (values["boxes"], values["reference_boxes"], values["matched"]) == (3, 3, 2)
    assert (values["only_here"], values["only_reference"]) == (1, 1)
    assert values["mean_iou"] == pytest.approx((18 / 22 + 1) / 2)
    assert values["mean_score_difference"] == pytest.approx((0.2 + 0.1) / 2, abs=1e-6)


def test_nothing_found_by_either_agrees() -> None:
    assert Agreement().f1 == 1
    assert "mean_iou" not in Agreement().values()


def make_config(folder: Path, **changes: Any) -> CompareConfig:
    config = CompareConfig(
        reference=str(folder / "reference.engine"),
        source=str(folder / "pictures"),
        inferences=8,
        conf=None,
        iou=None,
        max_det=300,
        classes=None,
        processor="fake",
        max_pixels=MAX_PIXELS,
    )
    return replace(config, **changes)


def run(
    folder: Path, *, threshold: float = 0.0, config: dict[str, Any] | None = None, **reference: Any
) -> tuple[Comparison, Memory, FakeRuntime]:
    for index in range(4):
        write_picture(folder / "pictures" / f"{index}.png", seed=index)
    found = {
        "here": [detections((*BOX, 0.9, 0))] * 4,
        "reference": [detections((*BOX, 0.8, 0)), detections(), *[detections((*BOX, 0.9, 0))] * 2],
    }
    parts, runtime, _ = fake_parts(found, {"here": 0.002, "reference": 0.006})
    context, memory = make_context(folder, **parts)
    write_sidecar(complete(fake_engine(folder, "reference", **reference)))
    engine = fake_engine(folder, "here", score_threshold=threshold)
    return compare_models(make_config(folder, **(config or {})), engine, context), memory, runtime


def test_compares_latency_and_boxes(tmp_path: Path) -> None:
    comparison, memory, runtime = run(tmp_path)
    values = comparison.values
    assert values["f1"] == pytest.approx(6 / 7)
    assert (values["pictures"], values["inferences"]) == (4, 8)
    assert [len(session.calls) for session in runtime.sessions] == [8 + 5, 8 + 5]
    assert 2 <= values["median_ms"] <= values["p95_ms"]
    assert 0.2 < values["latency_ratio"] < 0.8
    assert json.loads(comparison.path.read_text())["values"] == values
    table, latency, boxes, both = comparison.report
    assert [line.split()[-1] for line in table.splitlines()] == ["boxes", "4", "3"]
    assert latency.startswith("latency ratio 0.")
    assert boxes == "boxes at IoU 0.5: F1 0.857; 3 in both, 1 only here, 0 only in the reference"
    assert both.startswith("boxes in both: mean IoU ")
    assert max(map(len, "\n".join(comparison.report).splitlines())) <= 80
    assert memory.warnings == []


def test_nothing_is_read_or_prepared_during_an_inference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[tuple[str, bool, int]] = []

    def recorded(kind: type[Any], name: str) -> None:
        method = getattr(kind, name)

        def call(self: Any, *arguments: Any, **options: Any) -> Any:
            busy = sum(thread.name.startswith(("ahead", "in_order")) for thread in threading.enumerate())
            events.append((name, threading.current_thread() is threading.main_thread(), busy))
            return method(self, *arguments, **options)

        monkeypatch.setattr(kind, name, call)

    recorded(FakeSession, "run")
    recorded(FakeProcessor, "prepare")
    run(tmp_path, config={"inferences": 4, "warmup": 0})
    assert events == [(name, True, 0) for name in ["prepare", "prepare", "run", "run"] * 4]


def test_few_inferences_take_every_picture_once(tmp_path: Path) -> None:
    comparison, _, _ = run(tmp_path, config={"inferences": 1, "pictures": 3})
    assert (comparison.values["pictures"], comparison.values["inferences"]) == (3, 3)


def test_other_thresholds_are_reported(tmp_path: Path) -> None:
    comparison, memory, _ = run(tmp_path, threshold=0.4)
    assert memory.warnings == ["the engine drops boxes below 0.4 and the reference below 0.25: set conf=0.4"]
    assert comparison.notes == tuple(memory.warnings)


def test_other_classes(tmp_path: Path) -> None:
    with pytest.raises(HooklineError, match="the engine has 2 classes, the reference 1; give a reference with"):
        run(tmp_path, names=("person",))


def test_classes_with_other_names(tmp_path: Path) -> None:
    with pytest.raises(HooklineError, match=r"the classes .* have different names, first '.*' and 'tree'; give"):
        run(tmp_path, names=("person", "tree"))


def test_reference_without_sidecar(tmp_path: Path) -> None:
    parts, _, _ = fake_parts([])
    context, _ = make_context(tmp_path, **parts)
    engine = fake_engine(tmp_path, "reference")
    with pytest.raises(HooklineError, match=r"reference.engine' has no sidecar file \(.json\)"):
        compare_models(make_config(tmp_path), engine, context)


def test_check(tmp_path: Path) -> None:
    parts, _, _ = fake_parts([])
    context, _ = make_context(tmp_path, **parts)
    wrong = make_config(tmp_path, reference=None, source=None)
    assert [str(problem).split(";")[0] for problem in check(wrong, context)] == [
        "no reference is given",
        "no images are given",
    ]
    missing, unseen = check(make_config(tmp_path), context)
    assert "does not exist" in str(missing)
    assert "no such source" in str(unseen)
    write_picture(tmp_path / "pictures" / "a.png")
    engine = fake_engine(tmp_path, "reference")
    (undescribed,) = check(make_config(tmp_path), context)
    assert "has no sidecar file (.json)" in str(undescribed)
    write_sidecar(complete(engine))
    assert list(check(make_config(tmp_path), context)) == []


@pytest.mark.parametrize(("device", "count"), [("auto", 0), ("cpu", 0), ("cuda:0", 1)])
def test_a_reference_on_another_device_is_reported_before_anything_runs(
    tmp_path: Path, device: str, count: int
) -> None:
    parts, _, _ = fake_parts([])
    context, _ = make_context(tmp_path, **parts)
    write_picture(tmp_path / "pictures" / "a.png")
    write_sidecar(complete(fake_engine(tmp_path, "reference")))
    problems = [str(problem) for problem in check(make_config(tmp_path), replace(context, device=device))]
    assert len(problems) == count
    assert all(
        problem.startswith("fake, which opens compare.reference, works with device=cpu only, but device=cuda:0 is set")
        for problem in problems
    )


@pytest.mark.parametrize("runtime", ["openvino", "absent"])
def test_a_reference_of_a_runtime_that_cannot_be_used_is_reported_before_anything_runs(
    tmp_path: Path, runtime: str
) -> None:
    parts, _, _ = fake_parts([])
    absent = replace(parts["runtimes"][0], name="absent", available=lambda: Availability(False, "it is not installed"))
    context, _ = make_context(tmp_path, **{**parts, "runtimes": [*parts["runtimes"], absent]})
    write_picture(tmp_path / "pictures" / "a.png")
    write_sidecar(complete(replace(fake_engine(tmp_path, "reference"), runtime=runtime)))
    (problem,) = check(make_config(tmp_path), context)
    wanted = {
        "openvino": "compare.reference was built by the runtime 'openvino', but no loaded plugin has it",
        "absent": "absent cannot be used here: it is not installed",
    }
    assert str(problem).startswith(wanted[runtime])


def test_stage() -> None:
    (stage,) = hookline_stages()
    (engine,) = stage.signature.inputs
    assert engine.types == (Engine,)
    assert stage.signature.provides == (Comparison,)


def test_files_that_are_passed_over_are_counted(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "x.psd").touch()
    comparison, memory, _ = run(tmp_path)
    (note,) = comparison.notes
    assert note.startswith("passed over 1 .psd in '/")  # a long path is shortened in the middle
    assert note.endswith("/pictures'")
    assert memory.warnings == list(comparison.notes)
