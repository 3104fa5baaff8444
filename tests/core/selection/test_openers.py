from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from core.artifacts import Checkpoint, GraftedModel, OnnxModel, QuantizedModel
from core.errors import HooklineError, UnavailableError
from core.inference.open_model import open_model
from core.kinds.context import RunContext
from core.kinds.lookup import Origin
from core.kinds.part import Availability
from core.model_facts import InputContract, ModelFacts, Preprocessing
from core.options.model_form import ARTIFACTS, ModelForm
from core.planning.keys import measuring_facts
from core.selection.choosing import runtime_with
from core.selection.openers import opening_problems
from tests.support import grid_family
from tests.support.fake_parts import FakeRuntime, FakeSession, fake_engine, fake_parts, runtime_part
from tests.support.stage_tools import make_context

FACTS = ModelFacts("fake", "fake", ("a",), (8, 16, 32))


def session_of(checkpoint: Checkpoint, contract: InputContract, layout: str) -> FakeSession:
    return FakeSession(OnnxModel(path=checkpoint.path, facts=checkpoint.facts, contract=contract, layout=layout))


@dataclass
class FakeFamily:
    """Records the arguments of ``open``."""

    asked: list[tuple[InputContract, str, str]] = field(default_factory=list)

    def open(self, checkpoint: Checkpoint, contract: InputContract, *, layout: str, device: str) -> FakeSession:
        self.asked.append((contract, layout, device))
        return session_of(checkpoint, contract, layout)


def context_with(tmp_path: Path, family: FakeFamily | None = None, **runtimes: FakeRuntime) -> RunContext:
    models = [grid_family.family(name="fake", layouts=("heads", "classic"), load=lambda: family)]
    parts = [runtime_part(name, runtime, opens_onnx=name != "fake") for name, runtime in runtimes.items()]
    return make_context(tmp_path, runtimes=parts, models=models)[0]


def test_a_checkpoint_is_opened_with_the_preprocessing_of_its_family(tmp_path: Path) -> None:
    backend = FakeFamily()
    values = Preprocessing(padding="top_left", channels="bgr", scale=1.0, offset=-3.0)
    family = grid_family.family(name="fake", load=lambda: backend, preprocessing=values)
    open_model(Checkpoint(path=tmp_path / "x", facts=FACTS), make_context(tmp_path, models=[family])[0])
    ((contract, _, _),) = backend.asked
    assert contract == values.contract(batch=1, height=640, width=640, dynamic=("batch", "height", "width"))


def test_an_engine_is_opened_by_its_own_runtime(tmp_path: Path) -> None:
    own, other = FakeRuntime(), FakeRuntime()
    engine = fake_engine(tmp_path)
    open_model(engine, context_with(tmp_path, fake=own, onnxruntime=other))
    assert [session.engine for session in own.sessions] == [engine]
    assert other.sessions == []


@pytest.mark.parametrize(
    ("changes", "device", "message"),
    [
        ({"available": lambda: Availability(False, "no driver")}, "auto", "fake cannot be used here: no driver"),
        ({}, "cuda:0", "fake, which opens 'fake.engine', works with device=cpu only, but device=cuda:0 is set"),
        ({"check_device": lambda: [HooklineError("no core is free")]}, "cpu", "no core is free"),
        (
            {"name": "other"},
            "auto",
            "'fake.engine' was built by the runtime 'fake', but no loaded plugin has it",
        ),
    ],
)
def test_an_engine_is_refused_before_its_runtime_is_loaded(
    tmp_path: Path, changes: dict[str, Any], device: str, message: str
) -> None:
    runtime = FakeRuntime()
    part = replace(runtime_part("fake", runtime), **changes)
    context, _ = make_context(tmp_path, runtimes=[part], models=[grid_family.family(name="fake")])
    with pytest.raises(HooklineError) as caught:
        open_model(fake_engine(tmp_path), replace(context, device=device))
    assert str(caught.value).startswith(message)
    assert runtime.sessions == []


@pytest.mark.parametrize("kind", [OnnxModel, QuantizedModel, GraftedModel])
def test_an_onnx_file_is_opened_by_onnx_runtime(tmp_path: Path, kind: type[Any]) -> None:
    own, other = FakeRuntime(), FakeRuntime()
    more = {"runtime": "fake"} if kind is not OnnxModel else {}
    more |= {"graft": "x", "score_threshold": 0.25} if kind is GraftedModel else {}
    model = kind(path=tmp_path / "x.onnx", facts=FACTS, contract=InputContract(1, 32, 32), layout="heads", **more)
    open_model(model, context_with(tmp_path, fake=own, onnxruntime=other))
    assert [session.engine for session in other.sessions] == [model]
    assert own.sessions == []


@pytest.mark.parametrize(
    ("backend", "device", "unusable", "expected"),
    [
        ("auto", "auto", (), "big"),
        ("auto", "cpu", (), "small"),
        ("auto", "cuda:0", (), "big"),
        ("auto", "cuda:0", ("big",), "small"),  # opening then says what is wrong with the device
        ("small", "auto", (), "small"),
        ("small", "auto", ("small",), "small"),  # what the user names is never replaced
        ("engines", "auto", (), "big"),
        ("engines", "auto", ("big",), "small"),
    ],
)
def test_who_opens_onnx_files(
    tmp_path: Path, backend: str, device: str, unusable: tuple[str, ...], expected: str
) -> None:
    parts = [
        runtime_part(
            name,
            available=lambda name=name: Availability(name not in unusable, "broken" if name in unusable else "there"),
            device=place,
            rank=rank,
            opens_onnx=name != "engines",
        )
        for name, place, rank in (("small", "cpu", 1), ("big", "cuda", 2), ("engines", "cuda", 3))
    ]
    context, _ = make_context(tmp_path, runtimes=parts)
    context = replace(context, device=device, backend=backend)
    name, line = runtime_with("opens_onnx", context)
    assert name == expected
    assert line == f"opens ONNX files: {name} ({'the backend' if name == backend else 'there'})"
    messages = [str(problem) for problem in opening_problems(OnnxModel, "", context, "x.onnx")]
    if name in unusable:
        assert messages == [f"{name} cannot be used here: broken"]
    else:
        assert bool(messages) is (name == "small" and device == "cuda:0")


def test_nobody_opens_onnx_files(tmp_path: Path) -> None:
    model = OnnxModel(path=tmp_path / "x.onnx", facts=FACTS, contract=InputContract(1, 32, 32), layout="heads")
    context = context_with(tmp_path, fake=FakeRuntime())
    with pytest.raises(UnavailableError, match="no backend that opens ONNX files can be used; no loaded plugin has"):
        open_model(model, context)
    (problem,) = opening_problems(OnnxModel, "", context)
    assert isinstance(problem, UnavailableError)


def test_a_checkpoint_is_opened_by_its_family_in_the_size_asked_for(tmp_path: Path) -> None:
    family = FakeFamily()
    checkpoint = Checkpoint(path=tmp_path / "x", facts=FACTS)
    open_model(checkpoint, context_with(tmp_path, family), imgsz=[64, 96], layout="classic")
    ((contract, layout, device),) = family.asked
    assert (contract.height, contract.width, layout, device) == (64, 96, "classic", "cpu")
    assert set(contract.dynamic) == {"batch", "height", "width"}


@dataclass
class PlacedFamily:
    """Opens sessions that report their device."""

    place: str = ""
    doubt: str = ""

    def open(self, checkpoint: Checkpoint, contract: InputContract, *, layout: str, device: str) -> Any:
        session: Any = session_of(checkpoint, contract, layout)
        session.place, session.doubt = self.place, self.doubt
        return session


@pytest.mark.parametrize(("place", "doubt"), [("cuda:1 (NVIDIA L40)", ""), ("", "the driver is too old"), ("", "")])
def test_it_is_reported_where_a_checkpoint_runs(tmp_path: Path, place: str, doubt: str) -> None:
    family: Any = PlacedFamily(place, doubt)
    context = context_with(tmp_path, family)
    memory: Any = context.reporter
    open_model(Checkpoint(path=tmp_path / "best.safetensors", facts=FACTS), context)
    assert memory.notes == ([f"'best.safetensors' runs on {place}"] if place else [])
    assert memory.warnings == ([doubt] if doubt else [])


class PlacedRuntime(FakeRuntime):
    """Opens sessions that report their device."""

    def open(self, model: Any, *, device: str) -> Any:
        session: Any = super().open(model, device=device)
        session.place, session.doubt = "NVIDIA L40 (GPU-1)", ""
        return session


def test_it_is_reported_where_an_engine_runs(tmp_path: Path) -> None:
    engine, context = fake_engine(tmp_path), context_with(tmp_path, fake=PlacedRuntime())
    memory: Any = context.reporter
    open_model(engine, context)
    assert memory.notes == [f"'{engine.path.name}' runs on NVIDIA L40 (GPU-1)"]


def test_a_size_that_does_not_fit_the_strides_is_refused(tmp_path: Path) -> None:
    checkpoint = Checkpoint(path=tmp_path / "x", facts=FACTS)
    with pytest.raises(HooklineError, match=r"imgsz=100 is not a multiple .* 32; nearest: 96 or 128"):
        open_model(checkpoint, context_with(tmp_path, FakeFamily()), imgsz=100)


def test_an_engine_that_leaves_its_size_open_is_opened_in_the_size_asked_for(tmp_path: Path) -> None:
    engine, context = fake_engine(tmp_path, dynamic=("height", "width")), context_with(tmp_path, fake=FakeRuntime())
    contract = open_model(engine, context, imgsz=[64, 96]).contract
    assert (contract.height, contract.width) == (64, 96)
    with pytest.raises(HooklineError, match="was built for 32x32"):
        open_model(fake_engine(tmp_path), context, imgsz=64)


class MachineRuntime(FakeRuntime):
    """Reports its device."""

    def machine(self, device: str = "auto") -> dict[str, str]:
        return {"gpu": f"L40 for {device}"}


def test_what_times_depend_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Machine and device of every model, and the runtime of an engine: who ships it, its code, options, packages."""
    monkeypatch.setattr("core.planning.keys.machine", lambda: {"processor": "x"})
    context = context_with(tmp_path, fake=MachineRuntime())
    host = {"host": {"processor": "x"}, "device": "cpu"}
    family = {"family": ("tests 0 (plugin 'tests')", "")}
    assert measuring_facts(Checkpoint(path=tmp_path / "x", facts=FACTS), context) == {**host, **family}
    facts = measuring_facts(fake_engine(tmp_path), context)
    runtime = {"runtime": "fake", "options": {}, "machine": {"gpu": "L40 for cpu"}, "packages": {}}
    assert facts == {**host, **runtime, "by": ("tests 0 (plugin 'tests')", "")}


def test_what_boxes_depend_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another version, or other code, of the runtime that opens a model, or of the family that decodes it."""
    monkeypatch.syspath_prepend(tmp_path)
    code = tmp_path / "odd_plugin_module.py"
    code.write_text("first = 1\n")
    parts, _, _ = fake_parts([])
    parts["runtimes"] = [replace(parts["runtimes"][0], load=MachineRuntime)]
    model = replace(fake_engine(tmp_path), layout="heads")

    def facts(version: str) -> Mapping[str, object]:
        context, _ = make_context(tmp_path)
        for kind in ("runtimes", "models"):
            origin = Origin("odd", "$HOOKLINE_PLUGINS", version, "odd_plugin_module")
            context.registry.add(kind, parts[kind][0], origin)
        return measuring_facts(model, context)

    first = facts("1")
    assert facts("1") == first
    assert {name for name, value in facts("2").items() if value != first[name]} == {"by", "family"}
    code.write_text("second = 22\n")
    assert {name for name, value in facts("1").items() if value != first[name]} == {"by", "family"}


def test_every_form_has_an_artifact() -> None:
    assert set(ARTIFACTS) == set(ModelForm)


class Strict:
    """A session that compares the outputs of its model with a head; records the head."""

    layout, score_threshold = "grid", 0.0

    def __init__(self, facts: Any, problem: str = "") -> None:
        self.facts, self.problem = facts, problem
        self.heads: list[Any] = []
        self.closed = False

    def expect(self, head: Any) -> None:
        self.heads.append(head)
        if self.problem:
            raise HooklineError(self.problem)

    def run(self, images: Any) -> dict[str, Any]:
        return {}

    def __enter__(self) -> Strict:
        return self

    def __exit__(self, *error: object) -> None:
        self.closed = True


def open_strict(tmp_path: Path, session: Strict) -> Any:
    session.contract = InputContract(1, 64, 96)  # type: ignore[attr-defined]
    runtime: Any = FakeRuntime()
    runtime.open = lambda model, *, device: session
    context, _ = make_context(
        tmp_path, models=[grid_family.family()], runtimes=[runtime_part("onnxruntime", runtime, opens_onnx=True)]
    )
    model = OnnxModel(path=tmp_path / "x", facts=session.facts, contract=InputContract(1, 64, 96), layout="grid")
    return open_model(model, context)


def test_a_session_receives_the_head_of_its_model(tmp_path: Path) -> None:
    session = Strict(grid_family.FACTS)
    open_strict(tmp_path, session)
    assert session.heads == [grid_family.GridHead(grid_family.FACTS)]
    assert not session.closed


def test_a_session_of_another_model_is_closed(tmp_path: Path) -> None:
    session = Strict(grid_family.FACTS, "no such output")
    with pytest.raises(HooklineError, match="no such output"):
        open_strict(tmp_path, session)
    assert session.closed
