"""Planning: the added stages, their order, and all problems at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from core.artifacts import Artifact, Checkpoint, Engine, Metrics, OnnxModel, QuantizedModel
from core.errors import HooklineError, PlanError
from core.kinds.context import RunContext
from core.kinds.stage import Stage
from core.model_facts import Precision
from core.options.fields import presentation
from core.options.top_level import TopLevelOptions
from core.planning.keys import key_of
from core.planning.planner import make_plan
from tests.support import toys


@pytest.mark.parametrize(
    ("asked", "changes", "expected"),
    [
        (["build"], {}, "weights export quantize build"),
        (["build"], {"quantize": toys.Quantize(Precision.int8, "cpu")}, "weights export calibrate quantize build"),
        (["export", "sharpen", "build"], {}, "weights export sharpen quantize build"),
        (["sharpen", "build"], {}, "weights export sharpen quantize build"),
        (["train", "build", "evaluate"], {}, "train export quantize build evaluate"),
        (["build", "evaluate"], {}, "weights export quantize build evaluate"),
        (["evaluate"], {"evaluate": toys.Plain("heads")}, "weights export evaluate"),
        (["evaluate"], {"evaluate": toys.Plain("checkpoint")}, "weights evaluate"),
        (["calibrate", "sharpen", "build"], {}, "weights export calibrate sharpen quantize build"),
        (["quantize", "sharpen", "build"], {}, "weights export quantize sharpen quantize build"),
    ],
)
def test_chain(tmp_path: Path, asked: list[str], changes: dict[str, object], expected: str) -> None:
    plan = make_plan(asked, toys.configs(**changes), toys.context(tmp_path))
    assert " ".join(step.stage.name for step in plan.steps) == expected
    assert [step.stage.name for step in plan.steps if step.requested] == asked


def test_newer_artifact_outdates_what_was_made_from_the_older(tmp_path: Path) -> None:
    int8 = toys.Quantize(Precision.int8, "cpu")
    plan = make_plan(["calibrate", "sharpen", "build"], toys.configs(quantize=int8), toys.context(tmp_path))
    names = [step.stage.name for step in plan.steps]
    assert names == ["weights", "export", "calibrate", "sharpen", "calibrate", "quantize", "build"]
    quantize = plan.steps[5]
    assert (quantize.inputs["model"], quantize.inputs["table"]) == (3, 4)


def test_auto_takes_the_best_usable_runtime_and_says_so(tmp_path: Path) -> None:
    plan = make_plan(["quantize"], toys.configs(), toys.context(tmp_path))
    assert plan.steps[-1].config.backend == "cpu"
    assert plan.choices == ("backend: cpu (toy)",)


@pytest.mark.parametrize(
    ("backend", "precision", "message"),
    [
        ("cpx", Precision.fp32, r"unknown backend 'cpx'; did you mean cpu\? possible: auto, cpu, gpu"),
        ("gpu", Precision.fp32, "gpu cannot be used here: toy; pip install toygpu"),
        ("cpu", Precision.fp16, "cpu cannot build precision=fp16; possible: fp32, int8"),
    ],
)
def test_runtime_problems(tmp_path: Path, backend: str, precision: Precision, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        make_plan(["build"], toys.configs(quantize=toys.Quantize(precision, backend)), toys.context(tmp_path))


def test_every_problem_is_listed_at_once(tmp_path: Path) -> None:
    changes = {"quantize": toys.Quantize(Precision.fp32, "nothing")}
    with pytest.raises(PlanError) as caught:
        make_plan(["biuld", "build", "evaluat"], toys.configs(**changes), toys.context(tmp_path))
    problems = [str(problem) for problem in caught.value.problems]
    assert len(problems) == 3
    assert problems[0].startswith("unknown stage 'biuld'; did you mean build?")


def test_training_is_never_added_unasked(tmp_path: Path) -> None:
    parts = toys.registry(*(stage for stage in toys.STAGES if stage.name != "weights"))
    with pytest.raises(
        PlanError, match=r"needs weights; give them with weights=.* or train them with \+stage=\[train,"
    ):
        make_plan(["build"], toys.configs(), toys.context(tmp_path, parts))


def test_nothing_asked_lists_the_stages(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"give \+stage=<name>; possible: weights, train"):
        make_plan([], toys.configs(), toys.context(tmp_path))


def test_two_makers_of_one_type_must_be_chosen_between(tmp_path: Path) -> None:
    other = replace(toys.STAGES[2], name="export2")
    parts = toys.registry(*toys.STAGES, other)
    with pytest.raises(PlanError, match="several stages make one: export, export2"):
        make_plan(["build"], toys.configs(export2=toys.Plain()), toys.context(tmp_path, parts))


def source(config: toys.Plain, context: RunContext) -> Checkpoint | OnnxModel:
    raise NotImplementedError


def test_what_the_user_gave_comes_before_what_could_be_made(tmp_path: Path) -> None:
    given = Stage(
        name="weights",
        summary="toy",
        run=source,
        select=lambda config: [OnnxModel] if config.text == "x.onnx" else [Checkpoint],
    )
    parts = toys.registry(given, *toys.STAGES[1:])
    onnx = make_plan(["build"], toys.configs(weights=toys.Plain("x.onnx")), toys.context(tmp_path, parts))
    assert [step.stage.name for step in onnx.steps] == ["weights", "quantize", "build"]
    with pytest.raises(
        PlanError, match=r"needs a Checkpoint, but the given model is already an OnnxModel; .*omit 'export'"
    ):
        make_plan(["export"], toys.configs(weights=toys.Plain("x.onnx")), toys.context(tmp_path, parts))
    checkpoint = make_plan(["build"], toys.configs(), toys.context(tmp_path, parts))
    assert [step.stage.name for step in checkpoint.steps] == ["weights", "export", "quantize", "build"]


def fuse(config: toys.Plain, context: RunContext, model: OnnxModel) -> Metrics:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("asked", "given", "reported"),
    [
        (["fuse"], QuantizedModel, "'fuse' needs an OnnxModel, but the given model is already a QuantizedModel"),
        (["build"], Engine, "'build' needs a QuantizedModel, but the given model is already an Engine"),
        (["export", "fuse"], Engine, "'export' needs a Checkpoint, but the given model is already an Engine"),
    ],
)
def test_a_model_that_is_past_what_is_needed_is_refused_for_the_stage_that_was_asked_for(
    tmp_path: Path, asked: list[str], given: type[Artifact], reported: str
) -> None:
    def source(config: toys.Plain, context: RunContext) -> Checkpoint | QuantizedModel | Engine:
        raise NotImplementedError

    stages = (
        Stage(name="weights", summary="toy", run=source, select=lambda config: [given]),
        *toys.STAGES[1:],
        Stage(name="fuse", summary="toy", run=fuse),
    )
    with pytest.raises(PlanError) as caught:
        make_plan(asked, toys.configs(fuse=toys.Plain()), toys.context(tmp_path, toys.registry(*stages)))
    problems = [str(problem) for problem in caught.value.problems]
    way_out = ", or omit 'export'" if asked[0] == "export" else ""
    assert problems == [f"stage {reported}; give an earlier form with weights={way_out}"]


def first(config: toys.Plain, context: RunContext, model: OnnxModel) -> Checkpoint:
    raise NotImplementedError


def test_stages_that_need_each_other_are_named(tmp_path: Path) -> None:
    parts = toys.registry(Stage(name="first", summary="toy", run=first), toys.STAGES[2])
    with pytest.raises(PlanError, match="need each other: export → first → export"):
        make_plan(["export"], toys.configs(first=toys.Plain()), toys.context(tmp_path, parts))


def test_checks_of_stages_become_problems(tmp_path: Path) -> None:
    stage = replace(toys.STAGES[2], check=lambda config, context: [HooklineError("imgsz=641", "640 or 672")])
    parts = toys.registry(toys.STAGES[0], stage)
    with pytest.raises(PlanError, match="imgsz=641; 640 or 672"):
        make_plan(["export"], toys.configs(), toys.context(tmp_path, parts))


def test_a_mistake_that_a_check_raises_is_one_problem_of_all(tmp_path: Path) -> None:
    def check() -> Iterator[HooklineError]:
        yield HooklineError("imgsz=641", "640 or 672")
        raise HooklineError("there is no user 'u'")

    parts = toys.registry(toys.STAGES[0], replace(toys.STAGES[2], check=check))
    with pytest.raises(PlanError) as caught:
        make_plan(["export"], toys.configs(), toys.context(tmp_path, parts))
    assert [problem.message for problem in caught.value.problems] == ["imgsz=641", "there is no user 'u'"]


@dataclass
class Shown:
    """Options, one of them for presentation only."""

    text: str = "x"


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "0"])
def test_an_unknown_device_is_reported_once_and_alone(tmp_path: Path, device: str) -> None:
    with pytest.raises(PlanError, match=f"^unknown device '{device}'; did you mean cuda") as caught:
        make_plan(["biuld", "build"], toys.configs(), replace(toys.context(tmp_path), device=device))
    assert len(caught.value.problems) == 1


def test_seed_out_of_range(tmp_path: Path) -> None:
    """NumPy accepts no seed below 0."""
    with pytest.raises(PlanError, match="seed=-1 is out of range; possible: 0 to "):
        make_plan(["build"], toys.configs(), toys.context(tmp_path), TopLevelOptions(seed=-1))


@pytest.mark.parametrize("change", ["config", "inputs", "part", "outside", "seed", "hookline", "same"])
def test_key_depends_on_everything_the_result_depends_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    outside = {"file": "a"}
    stage = replace(toys.STAGES[5], fingerprint=lambda config, context: dict(outside))
    parts = toys.registry(*toys.STAGES[:5], stage, *toys.STAGES[6:])
    context = toys.context(tmp_path, parts)
    step = make_plan(["quantize"], toys.configs(), context).steps[-1]
    model = OnnxModel(
        path=tmp_path, sha256="1", facts=toys.FACTS, contract=toys.CONTRACT, layout="heads", report=("a table",)
    )
    before = key_of(step, {"model": model}, context)
    inputs = {
        "model": replace(model, sha256="2") if change == "inputs" else replace(model, path=Path("moved"), report=())
    }
    if change == "config":
        step = replace(step, config=toys.Quantize(Precision.int8, "cpu"))
    if change == "part":
        context = replace(context, options=lambda kind, name: toys.Plain())
    if change == "seed":
        context = replace(context, seed=1)
    if change == "hookline":
        monkeypatch.setattr("core.planning.keys.__version__", "999.0")
    if change == "outside":
        outside["file"] = "b"
    assert (key_of(step, inputs, context) == before) is (change == "same")


@dataclass
class Threads:
    """Options of a part: a number of threads, which changes no result but its times."""

    threads: int = presentation(0)


@pytest.mark.parametrize("measures", [True, False])
def test_the_key_of_a_measuring_stage_holds_what_its_times_depend_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measures: bool
) -> None:
    stage = replace(toys.STAGES[5], measures=measures)
    context = toys.context(tmp_path, toys.registry(*toys.STAGES[:5], stage, *toys.STAGES[6:]))
    step = make_plan(["quantize"], toys.configs(), context).steps[-1]
    model = Checkpoint(path=tmp_path, sha256="1", facts=toys.FACTS)

    def key(threads: int) -> str:
        return key_of(step, {"model": model}, replace(context, options=lambda kind, name: Threads(threads)))

    before = key(0)
    assert (key(1) == before) is not measures
    monkeypatch.setattr("core.planning.keys.machine", lambda: {"processor": "another"})
    assert (key(0) == before) is not measures


def test_unannotated_stage_is_a_plugin_authors_error() -> None:
    def run(config, context):  # type: ignore[no-untyped-def]
        raise NotImplementedError

    with pytest.raises(TypeError, match="stage 'bare': run needs 'config: <dataclass>'"):
        _ = Stage(name="bare", summary="toy", run=run).signature
