"""Store keys contain content and never paths: over every option of every stage that is stored."""

from __future__ import annotations

import builtins
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import pytest

from core.artifacts import Artifact, Checkpoint, Dataset, QuantizedModel
from core.errors import HooklineError
from core.kinds.family_options import option_fields_of
from core.kinds.lifecycle import Step
from core.kinds.lookup import Origin
from core.kinds.quantizer import Quantizer
from core.kinds.stage import Stage
from core.options.fields import is_keyed, keyed_options, shaping_parts
from core.planning.keys import key_of
from core.plugins.registry import Registry
from core.storage.sidecar import write_sidecar
from core.storage.store import complete
from tests.support.dataset_tools import write_dataset, write_picture
from tests.support.fake_parts import fake_engine
from tests.support.runs import Program, plugins
from tests.support.yolov5_tools import tiny_checkpoint


def stored_stages() -> list[Stage]:
    return [stage for stage in plugins().registry.all(Stage).values() if stage.stored]


def options_out_of_the_key(word: str) -> set[tuple[str, str]]:
    """(stage, option) of all options that are declared with ``word``."""
    return {
        (stage.name, item.name)
        for stage in stored_stages()
        for item in fields(stage.signature.config)
        if item.metadata.get(word)
    }


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


# --- an option whose text is looked up in the file system is a place ---------------------------------------


@contextmanager
def looked_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Record the paths that the block accesses."""
    asked: list[str] = []

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any = ".", *arguments: Any, **options: Any) -> Any:
            asked.append(str(path))
            return function(path, *arguments, **options)

        return call

    with monkeypatch.context() as patch:
        for module, names in (
            (os, ("stat", "lstat", "scandir", "listdir", "walk")),
            (builtins, ("open",)),
            (io, ("open",)),
            (Path, ("stat", "open")),
        ):
            for name in names:
                patch.setattr(module, name, watched(getattr(module, name)))
        yield asked


def takes_text(value: Any, annotation: Any) -> bool:
    """Whether a path could be given for an option."""
    return type(value) is str or (value is None and any(word in str(annotation) for word in ("str", "Any")))


@pytest.mark.parametrize("stage", stored_stages(), ids=lambda stage: stage.name)
def test_an_option_that_is_looked_up_in_the_file_system_is_a_place(
    stage: Stage, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, context, _ = program.prepare(f"+stage={stage.name}", "backend=onnxruntime", "processor=opencv")
    config = request.configs[stage.name]
    marker = str(program.folder / "marker")
    found = set()
    for item in fields(config):
        if not takes_text(getattr(config, item.name), item.type):
            continue
        given = replace(config, **{item.name: marker})
        with looked_up(monkeypatch) as asked:
            for look in filter(None, (stage.check, stage.fingerprint)):
                with suppress(HooklineError, OSError, ValueError):
                    list(look(given, context))
        if any(path.startswith(marker) for path in asked):
            found.add(item.name)
    assert found <= {item.name for item in fields(config) if item.metadata.get("place")}
    if stage.name in {"calibrate", "load", "dataset", "compare"}:
        assert found  # the test sees look-ups


def test_an_option_that_follows_a_place_is_a_place() -> None:
    places = {
        item.default
        for stage in stored_stages()
        for item in fields(stage.signature.config)
        if item.metadata.get("place") and item.default is not None
    }
    strays = [
        f"{stage.name}.{item.name}"
        for stage in stored_stages()
        for item in fields(stage.signature.config)
        if item.default in places and not item.metadata.get("place")
    ]
    assert strays == []


# --- what is left out of the key is in the fingerprint, or an input ----------------------------------------

INPUTS: dict[tuple[str, str], type[Artifact]] = {
    ("train", "data"): Dataset,
    ("train", "weights"): Checkpoint,
    ("calibrate", "data"): Dataset,
    ("build", "data"): Dataset,
    ("evaluate", "data"): Dataset,
}
"""Places from which another stage makes an input."""


CALIBRATED = ("build.backend=tensorrt", "runtimes.tensorrt.int8=calibrator", "precision=int8")
"""Options with which build reads images."""


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorRT is not queried for the machine facts."""
    monkeypatch.setattr("backends.trt.runtime.TensorRt.machine", lambda _self, _device: {"gpu": "a GPU"})


def images(folder: Path, seed: int) -> str:
    write_picture(folder / "0.png", seed=seed)
    return str(folder)


def cache(folder: Path, seed: int) -> str:
    (folder / "ranges.cache").write_text(f"TRT-1\nimages: 3f80000{seed}\n")
    return str(folder / "ranges.cache")


def weights(folder: Path, seed: int) -> str:
    return str(tiny_checkpoint(folder / "best.safetensors", seed=seed).path)


def labelled(folder: Path, seed: int) -> str:
    return str(write_dataset(folder, {"train": {"a": [(0, 0.5, 0.5, 0.1 * (1 + seed), 0.5)]}}))


def engine(folder: Path, seed: int) -> str:
    made = fake_engine(folder, "reference", score_threshold=0.1 * seed)
    write_sidecar(complete(replace(made, runtime="onnxruntime")))
    return str(made.path)


@dataclass(frozen=True)
class Case:
    """How a place is filled.

    Attributes:
        write: Writes content number ``seed`` below a folder; gives the option's value.
        options: Other options, under which the place counts.
        tied: The key contains the path as well, since the result does.
    """

    write: Callable[[Path, int], str]
    options: tuple[str, ...] = ()
    tied: bool = False


PLACES: dict[tuple[str, str], Case] = {
    ("load", "weights"): Case(weights),
    ("dataset", "data"): Case(labelled, tied=True),
    ("calibrate", "source"): Case(images),
    ("calibrate", "cache"): Case(cache),
    ("build", "source"): Case(images, CALIBRATED),
    ("compare", "reference"): Case(engine, ("source={images}",)),
    ("compare", "source"): Case(images, ("compare.reference={engine}",)),
}


def test_every_place_is_covered() -> None:
    """A new path option must be in ``PLACES`` or ``INPUTS``, so that these tests cover it."""
    assert options_out_of_the_key("place") == {*PLACES, *INPUTS}


@pytest.mark.parametrize("option", PLACES, ids=".".join)
def test_a_place_counts_by_its_content(option: tuple[str, str], program: Program) -> None:
    case, folder = PLACES[option], program.folder
    fixed = {"images": images(folder / "fixed", 9), "engine": engine(folder / "fixed", 9)}
    stage = plugins().registry.part("stages", option[0])

    def key(place: str) -> dict[str, Any]:
        given = [f"{'.'.join(option)}='{place}'", *(text.format(**fixed) for text in case.options)]
        request, context, _ = program.prepare("backend=onnxruntime", "processor=opencv", *given)
        config = request.configs[option[0]]
        return {"config": keyed_options(config), "outside": dict(stage.fingerprint(config, context))}

    for name in ("first", "deeper/second"):
        (folder / name).mkdir(parents=True)
    first, second = case.write(folder / "first", 1), case.write(folder / "deeper" / "second", 1)
    before = key(first)
    assert (key(second) == before) is not case.tied
    shutil.rmtree(folder / "first")
    (folder / "first").mkdir()
    assert case.write(folder / "first", 2) == first
    assert key(first) != before


def reference_key(program: Program) -> Any:
    given = f"compare.reference={program.folder / 'reference.engine'}", f"source={program.folder / 'images'}"
    stage = plugins().registry.part("stages", "compare")
    request, context, _ = program.prepare("backend=onnxruntime", *given)
    return stage.fingerprint(request.configs["compare"], context)


def test_a_reference_counts_by_its_sidecar_too(program: Program) -> None:
    images(program.folder / "images", 1)
    engine(program.folder, 1)
    before, content = reference_key(program), (program.folder / "reference.engine").read_bytes()
    engine(program.folder, 2)
    assert (program.folder / "reference.engine").read_bytes() == content
    assert reference_key(program) != before


@pytest.mark.parametrize("changed", ["reference.engine", "reference.engine.json"])
def test_a_reference_that_was_edited_is_refused(program: Program, changed: str) -> None:
    images(program.folder / "images", 1)
    engine(program.folder, 1)
    file = program.folder / changed
    file.write_text(file.read_text() + " ")
    if changed.endswith(".json"):
        reference_key(program)  # one more blank is the same content
        file.write_text(file.read_text().replace("onnxruntime", "tensorrt"))
    with pytest.raises(HooklineError, match=r"its sha256 differs|was changed"):
        reference_key(program)


@pytest.mark.parametrize("option", INPUTS, ids=".".join)
def test_a_place_that_another_stage_reads_is_an_input(option: tuple[str, str]) -> None:
    stages, kind = plugins().registry.parts("stages"), INPUTS[option]
    default = next(item.default for item in fields(stages[option[0]].signature.config) if item.name == option[1])
    assert kind in {given for item in stages[option[0]].signature.inputs for given in item.types}
    makers = [stage for stage in stages.values() if kind in stage.signature.provides and stage.fingerprint]
    assert [
        stage.name
        for stage in makers
        for item in fields(stage.signature.config)
        if item.default == default and item.metadata.get("place")
    ]


# --- options that count only together with others ----------------------------------------------------------


@dataclass(frozen=True)
class Conditional:
    """An option that counts with ``where`` and not with ``nowhere``; ``values`` are two of its values."""

    values: tuple[str, str]
    where: tuple[str, ...]
    nowhere: tuple[str, ...] = field(default=())


CONDITIONAL: dict[tuple[str, str], Conditional] = {
    ("calibrate", "split"): Conditional(("train", "val"), ("data=x.yaml",), ("calibrate.source={images}",)),
    ("build", "split"): Conditional(("train", "val"), (*CALIBRATED, "data=x.yaml"), ("data=x.yaml",)),
    ("build", "pictures"): Conditional(("5", "6"), (*CALIBRATED, "data=x.yaml"), ("data=x.yaml",)),
    ("build", "processor"): Conditional(("opencv", "cupy"), (*CALIBRATED, "data=x.yaml"), ("data=x.yaml",)),
    ("build", "max_pixels"): Conditional(("5", "6"), (*CALIBRATED, "data=x.yaml"), ("data=x.yaml",)),
    ("quantize", "backend"): Conditional(("onnxruntime", "tensorrt"), ()),
    ("evaluate", "imgsz"): Conditional(("320", "640"), ("evaluate.model=checkpoint",)),
}


def test_every_conditional_option_is_covered() -> None:
    assert options_out_of_the_key("fingerprinted") == set(CONDITIONAL)


@pytest.mark.parametrize("option", CONDITIONAL, ids=".".join)
def test_a_conditional_option_counts_where_it_has_an_effect(option: tuple[str, str], program: Program) -> None:
    case, stage = CONDITIONAL[option], plugins().registry.part("stages", option[0])
    folder = images(program.folder / "images", 1)

    def differ(others: tuple[str, ...]) -> bool:
        keys = []
        for value in case.values:
            given = (f"{'.'.join(option)}={value}", *(text.format(images=folder) for text in others))
            request, context, _ = program.prepare("backend=onnxruntime", *given)
            config = request.configs[option[0]]
            keys.append((keyed_options(config), dict(stage.fingerprint(config, context))))
        return keys[0] != keys[1]

    assert differ(case.where)
    assert not (case.nowhere and differ(case.nowhere))


def test_an_option_that_can_refuse_a_result_is_in_the_key(program: Program) -> None:
    """A table of images of which some were skipped is none for a run that allows no skipped image."""
    keys = {
        value: str(keyed_options(program.prepare(f"calibrate.on_error={value}")[0].configs["calibrate"]))
        for value in ("auto", "skip", "stop")
    }
    assert len(set(keys.values())) == 3


def test_the_default_size_is_the_same_as_640(program: Program) -> None:
    """``imgsz`` and ``precision`` that are left out make the same keys as their defaults.

    A build without ``precision`` takes that of the model, which may be another one.
    """
    left_out, _, _ = program.prepare()
    given, _, _ = program.prepare("imgsz=640", "precision=fp32", "build.precision=null")
    for stage in stored_stages():
        assert keyed_options(left_out.configs[stage.name]) == keyed_options(given.configs[stage.name])


def test_a_field_out_of_the_key_says_why() -> None:
    """There are exactly three exceptions."""
    for stage in stored_stages():
        for _, item in option_fields_of(stage.signature.config, plugins().registry):
            reasons = [word for word in ("presentation", "place", "fingerprinted") if item.metadata.get(word)]
            assert len(reasons) == (0 if is_keyed(item) else 1), f"{stage.name}.{item.name}"


@dataclass
class QuantizerOptions:
    """Of a quantizer."""

    bits: int = 8


def test_the_key_of_quantize_has_the_quantizer_with_version_and_options(program: Program) -> None:
    request, context, _ = program.prepare("backend=onnxruntime", "precision=int8")
    stage, config = context.registry.part("stages", "quantize"), request.configs["quantize"]

    def key(version: str = "1", name: str = "one", bits: int = 8) -> str:
        registry = Registry()
        quantizer = Quantizer(name=name, summary="toy", load=lambda: None, options=QuantizerOptions)
        for kind, part in (("stages", stage), ("runtimes", context.registry.part("runtimes", "onnxruntime"))):
            registry.add(kind, part, Origin("toys", "toys", "1"))
        registry.add("quantizers", quantizer, Origin("toys", "toys", version))
        options = {"quantizers": QuantizerOptions(bits), "runtimes": context.options("runtimes", "onnxruntime")}
        given = replace(config, quantizer=name)
        step = Step(stage, given, requested=True, inputs={}, provides=QuantizedModel, parts=shaping_parts(given))
        return key_of(step, {}, replace(context, registry=registry, options=lambda kind, _: options[kind]))

    assert key() == key()
    assert len({key(), key(version="2"), key(name="two"), key(bits=4)}) == 4
